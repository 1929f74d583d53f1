"""The distributions: built, installed into an empty environment, and run from elsewhere."""

import asyncio
import json
import re
import subprocess
import sys
import tarfile
import venv
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from zipfile import ZipFile

import aiohttp
import pytest
from packaging.metadata import Metadata
from trove_classifiers import classifiers as CLASSIFIERS  # noqa: N812  it is a constant

from tests.support.service import ROOT, Service, environment_without_settings

pytestmark = pytest.mark.timeout(600)  # pip downloads the first time


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution and, out of nothing but that, the wheel."""
    directory = tmp_path_factory.mktemp("distributions")
    run(sys.executable, "-m", "build", "--outdir", directory, ROOT)
    return directory


@pytest.fixture(scope="module")
def installed(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an empty environment; return the directory of its commands."""
    environment = tmp_path_factory.mktemp("installed")
    venv.create(environment)
    (wheel,) = distributions.glob("*.whl")
    pip = sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check"
    into = "--python", environment / "bin" / "python"
    # What is imported of it is compiled then: all of it takes as long as the rest of these tests.
    constraints = "--constraint", ROOT / "constraints.txt"
    run(*pip, *into, "install", "--no-compile", *constraints, wheel)
    return environment / "bin"


def run(*command: object, directory: Path = ROOT) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=directory,
        env=environment_without_settings(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(directory: str) -> set[str]:
    """Return the files below a directory of the checkout, as paths from the checkout."""
    every = (path for path in (ROOT / directory).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in every if path.suffix != ".pyc"}


def test_the_wheel_is_the_package_with_the_page_and_the_migrations(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    names = set(ZipFile(wheel).namelist())
    described = {name for name in names if ".dist-info/" in name}

    beside = {f"server/{name}" for name in files("static") | files("migrations")}
    beside |= {f"server/{name}" for name in files("docs") if name.endswith(".md")}
    client = {name.removeprefix("client/") for name in files("client")}
    [manual] = {name for name in names if name.endswith("/data/share/man/man1/tailrun.1")}
    assert names - described - {manual} == files("server") | client | beside
    assert any(name.endswith("/licenses/LICENSE") for name in described)


def test_the_source_distribution_has_what_it_takes_to_build_and_test(distributions: Path) -> None:
    (archive,) = distributions.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        names = {name.partition("/")[2] for name in source.getnames()}

    directories = ("server", "client", "static", "migrations", "docs", "scripts")
    assert set().union(*map(files, directories)) <= names
    assert {"LICENSE", "Makefile", "README.md", "constraints.txt", "tests/conftest.py"} <= names


def test_the_command_tells_its_options(installed: Path, tmp_path: Path) -> None:
    assert "--state-dir" in run(installed / "tailrun", "--help", directory=tmp_path)
    assert "--detach" in run(installed / "tailrun", "run", "--help", directory=tmp_path)


def test_the_metadata_is_what_an_index_takes(
    distributions: Path, subtests: pytest.Subtests
) -> None:
    """Of both, with README as the description; no setting of a tool for development is in it."""
    [wheel], [archive] = distributions.glob("*.whl"), distributions.glob("*.tar.gz")
    with ZipFile(wheel) as unpacked, tarfile.open(archive) as source:
        [name] = [name for name in unpacked.namelist() if name.endswith(".dist-info/METADATA")]
        inside = source.extractfile(f"{archive.name.removesuffix('.tar.gz')}/PKG-INFO")
        assert inside is not None
        written = {"wheel": unpacked.read(name), "source distribution": inside.read()}
    for kind, content in written.items():
        with subtests.test(kind):
            metadata = Metadata.from_email(content, validate=True)
            assert (metadata.name, str(metadata.requires_python)) == ("tailrun", ">=3.11")
            assert metadata.description_content_type == "text/markdown"
            assert metadata.description == (ROOT / "README.md").read_text(encoding="utf-8")
            assert metadata.classifiers
            assert all(classifier in CLASSIFIERS for classifier in metadata.classifiers)


async def test_what_is_in_the_wheel_is_served(installed: Path, tmp_path: Path) -> None:
    """The page with all that it loads, the guide that problems lead to, and backup and restore."""
    service = Service(tmp_path / "state", None)
    async with (
        served(installed / "tailrun", service) as address,
        aiohttp.ClientSession(address) as session,
    ):
        for path in files("static"):
            async with session.get(f"/{path}") as response:
                assert response.status == 200, path
        assert '<a id="run-not-found"></a>' in await answer(session.get("/docs/api.md"))
        backup = tmp_path / "backup"
        state = f"--state-dir={service.state_dir}"
        run(installed / "tailrun", "backup", backup, state, directory=tmp_path)
    restored = f"--state-dir={tmp_path / 'restored'}"
    run(installed / "tailrun", "restore", backup, restored, directory=tmp_path)


async def test_the_command_serves_the_page_and_runs_commands(
    installed: Path, tmp_path: Path
) -> None:
    """With the embedded database, so that the wheel's own migrations make the tables."""
    service = Service(tmp_path / "state", None)
    async with (
        served(installed / "tailrun", service) as address,
        aiohttp.ClientSession(address) as session,
    ):
        assert "Tailrun" in await answer(session.get("/"))
        assert "swagger" in await answer(session.get("/swagger/index.html"))
        body = {"name": "greet", "script": "echo hello from the wheel"}
        command = json.loads(await answer(session.post("/api/v1/commands/", json=body)))
        links = command["run"]["links"]
        output = await answer(session.get(links["output"], params={"follow": "true"}))

    assert output == "hello from the wheel\n"


@asynccontextmanager
async def served(tailrun: Path, service: Service) -> AsyncIterator[str]:
    """Run the installed command from a directory of its own; yield its address."""
    elsewhere = service.state_dir.parent
    process = await asyncio.create_subprocess_exec(
        tailrun, cwd=elsewhere, env=service.environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        match = re.search(r"serves (http://\S+?)/ ", line)
        assert match, line
        yield match[1]
    finally:
        process.terminate()
        code = await process.wait()
        await service.end_keeper()
    assert code == 0


async def answer(request: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> str:
    async with request as response:
        text = await response.text()
        assert response.ok, text
        return text
