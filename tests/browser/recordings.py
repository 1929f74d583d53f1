"""What real tools write to a terminal: each is run under script(1), on a terminal of 80 by 24."""

import io
import os
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COLUMNS, ROWS = 80, 24

TQDM = """
from tqdm import tqdm
for i in tqdm(range(3), desc="all", mininterval=0):
    for j in tqdm(range(20), desc=f"part {i}", leave=i % 2 == 0, mininterval=0):
        if j == 7: tqdm.write("seven")
"""
RICH = """
from rich.progress import Progress
with Progress(refresh_per_second=100) as progress:
    tasks = [progress.add_task(f"[red]part {n}[/]", total=40) for n in range(3)]
    for i in range(40):
        for n, task in enumerate(tasks): progress.advance(task, 1 + n / 4)
        if i % 10 == 0: progress.console.print(f"[bold green]{i}[/] of 漢字", ":rocket:")
        progress.refresh()
"""
DOCKER_PULL = r"""
for layer in a b c d; do printf "$layer: Pulling fs layer\n"; done
for done in 10 55 100; do for up in 4 2 1 3; do
  printf "\033[${up}A\033[2K\r$up: Downloading [\033[34m%-10s\033[0m]" ====
  printf " $done MB/100 MB\r\033[${up}B"; done; done
printf 'Status: Downloaded\n'
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves a directory and logs nothing."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class Slow(Quiet):
    """Answers after a second, as a registry that is far away."""

    def do_GET(self) -> None:
        """Wait, then serve the file."""
        time.sleep(1)
        super().do_GET()


def record(command: str, place: Path, keys: str = "") -> bytes:
    """Run the command on a terminal, with these keys pressed; return what it wrote there."""
    sized = f"stty cols {COLUMNS} rows {ROWS}; {command}"
    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", sized, "/dev/null"],
        cwd=place,
        input=keys.encode(),
        env=_environment(place),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done
    return done.stdout


def _environment(place: Path) -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}:/usr/local/bin:/usr/sbin",
        "HOME": str(place),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "SHELL": "/bin/sh",
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def git_clone(place: Path) -> bytes:
    """Clone a repository of this machine, with progress."""
    made = """
    git init -q from && cd from && i=0
    while [ $i -lt 300 ]; do head -c 5000 /dev/urandom > f$i; i=$((i + 1)); done
    git add . && git -c user.name=a -c user.email=a@example.com commit -qm files
    """
    subprocess.run(["sh", "-ec", made], cwd=place, check=True)
    return record("git clone --progress file://$PWD/from to", place)


def apt(place: Path) -> bytes:
    """Simulate an upgrade."""
    return record("apt --simulate upgrade", place)


def pip(place: Path) -> bytes:
    """Download a wheel of 4 MB from a server of this machine, with pip's progress bar."""
    name = "tailrun_recorded-1.0"
    with zipfile.ZipFile(place / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.dist-info/METADATA", "Name: tailrun-recorded\nVersion: 1.0\n")
        wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        wheel.writestr("filler", bytes(4_000_000))
    with served(place) as address:
        return record(
            f"python -m pip --disable-pip-version-check --no-cache-dir download --no-index "
            f"--find-links {address} --dest to tailrun_recorded",
            place,
        )


@contextmanager
def served(directory: Path, kind: type[Quiet] = Quiet) -> Iterator[str]:
    """Serve the directory's files on a free port."""
    handler = partial(kind, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def npm(place: Path) -> bytes:
    """Install a package from a server that is slow enough for npm to show that it waits."""
    manifest = b'{"name": "recorded", "version": "1.0.0"}'
    with tarfile.open(place / "recorded.tgz", "w:gz") as package:
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(manifest)
        package.addfile(entry, io.BytesIO(manifest))
    (place / "package.json").write_text('{"name": "from", "private": true}')
    with served(place, Slow) as address:
        return record(f"npm install --no-audit --no-update-notifier {address}recorded.tgz", place)


def _python(script: str) -> Callable[[Path], bytes]:
    def run(place: Path) -> bytes:
        (place / "script.py").write_text(script)
        return record("python script.py", place)

    return run


def docker_pull(place: Path) -> bytes:
    """Draw the progress of layers as docker pull does."""
    (place / "pull.sh").write_text(DOCKER_PULL)
    return record("sh pull.sh", place)


def watch(place: Path) -> bytes:
    """Watch a command until it changes."""
    return record("watch --chgexit --interval 0.1 --color 'date +%N; ls --color=always /'", place)


def watch_interrupted(place: Path) -> bytes:
    """End while the other screen is shown, and nothing is put back."""
    return record("timeout --foreground --signal KILL 1 watch --interval 0.1 'seq 40'", place)


def top(place: Path) -> bytes:
    """Show processes three times."""
    return record("top -d 0.1 -n 3", place)


def less(place: Path) -> bytes:
    """Page through a file, search in it, go back."""
    (place / "text").write_text("".join(f"line {n} of the text\n" for n in range(200)))
    return record("less text", place, keys="  /line 9\nbGgq")


def less_without_other_screen(place: Path) -> bytes:
    """Page where one can scroll back."""
    (place / "text").write_text("".join(f"line {n} of the text\n" for n in range(200)))
    return record("less -X text", place, keys="  bGgq")


RECORDINGS: dict[str, Callable[[Path], bytes]] = {
    "git clone": git_clone,
    "apt": apt,
    "pip": pip,
    "npm": npm,
    "tqdm": _python(TQDM),
    "rich": _python(RICH),
    "docker pull": docker_pull,
    "watch": watch,
    "watch interrupted": watch_interrupted,
    "top": top,
    "less": less,
    "less -X": less_without_other_screen,
}
