"""Ctrl-C: answered by a line at once; the second ends the command, whatever it waits for."""

import os
import signal
import socket
import subprocess
import sys

_SLOW = """
import asyncio, sys, time
from app.cli.exits import interrupts_handled

def thread():
    print("under way", flush=True)
    time.sleep(600)

with interrupts_handled():
    try:
        asyncio.run(asyncio.to_thread(thread))
    except KeyboardInterrupt:
        sys.exit(130)
"""
_ORDERLY = """
import asyncio, sys
from app.cli.exits import interrupts_handled

async def wait():
    try:
        print("under way", flush=True)
        await asyncio.sleep(600)
    finally:
        print("cleaned up", flush=True)

with interrupts_handled():
    try:
        asyncio.run(wait())
    except KeyboardInterrupt:
        sys.exit(130)
"""


def _start(program: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environ | {"PYTHONPATH": ":".join(sys.path)},
    )


def test_the_first_lets_an_orderly_end_happen() -> None:
    with _start(_ORDERLY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "under way\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "cleaned up\n"), err
    assert "Interrupted: stopping; press Ctrl-C again to end at once" in err


def test_the_second_waits_for_nothing() -> None:
    with _start(_SLOW) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "under way\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "\n"
        assert process.stderr.readline().startswith("Interrupted")
        assert process.poll() is None, "nothing was left to wait for"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Ended at once" in err


def test_a_command_that_waits_for_a_store_that_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(120)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        environ = {
            "GLOBALMART_ENV_FILE": "",
            "GLOBALMART_KAFKA_BOOTSTRAP": "127.0.0.1:1",
            "GLOBALMART_POSTGRES_PORT": "1",
            "GLOBALMART_MONGO_URL": f"mongodb://{address}",
            "GLOBALMART_MONGO_CONNECT_TIMEOUT_SECONDS": "300",
        }
        program = "from app.cli import main; main(['doctor', '--no-machine', '--stores'])"
        with _start(program, **environ) as process:
            assert process.stderr is not None
            connection, _ = server.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                while "Interrupted" not in (line := process.stderr.readline()):
                    assert line, process.wait(120)
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=120)
        assert process.returncode == 130


def test_a_process_that_ignores_it_goes_on_ignoring_it() -> None:
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from app.cli.exits import interrupts_handled\n"
        "with interrupts_handled():\n    print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    )
    with _start(program) as process:
        out, _ = process.communicate(timeout=60)
    assert out == "True\n"
