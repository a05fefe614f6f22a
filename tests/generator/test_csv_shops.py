"""Exports of usual shops through the command line, as a new user would try them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.processes import clean_environment
from tests.generator.files import HEADER
from tests.generator.shop_files import MAGENTO, OLIST, ONLINE_RETAIL, REES46, SHOPIFY, SHOPS, WOOCOMMERCE, ShopFile


def generate(folder: Path, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
    """The command in a folder of its own."""
    environment = {**clean_environment(), "GLOBALMART_ENV_FILE": "", "COLUMNS": "300", **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", "generate", *arguments],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def check(folder: Path, shop: ShopFile, *options: str) -> tuple[int, str, str]:
    """Exit code and what is printed when only the file is checked."""
    (folder / shop.name).write_bytes(shop.content)
    process = generate(folder, "--check", "--from-csv", shop.name, *options)
    output, complaints = process.communicate(timeout=300)
    return process.returncode, output, complaints


@pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.name)
def test_the_line_of_the_guide_brings_it_in(tmp_path: Path, shop: ShopFile) -> None:
    code, output, complaints = check(tmp_path, shop, *shop.arguments)
    assert code == 0, complaints
    assert f"  orders: {shop.orders}" in output
    assert f"  sum: {shop.total:,}" in output
    assert "nothing was sent" in output


@pytest.mark.parametrize(
    ("shop", "options", "advice"),
    [
        (SHOPIFY, [], "--map user_id=Email --map 'timestamp=Created at' --map total_amount=Total"),
        (WOOCOMMERCE, [], "--encoding windows-1252"),
        (MAGENTO, [], "--map 'timestamp=Purchase Date'"),
        (OLIST, ["--map", "timestamp=shipping_limit_date", "--map", "total_amount=price"], "--guests"),
        (
            ONLINE_RETAIL,
            ["--map", "timestamp=InvoiceDate", "--map", "user_id=CustomerID", "--map", "total_amount=UnitPrice"],
            "--date-format '%m/%d/%Y %H:%M'",
        ),
        (REES46, ["--map", "timestamp=event_time", "--map", "total_amount=price"], "--only event_type=purchase"),
    ],
    ids=lambda part: getattr(part, "name", ""),
)
def test_without_it_the_message_names_the_next_step(
    tmp_path: Path, shop: ShopFile, options: list[str], advice: str
) -> None:
    code, output, complaints = check(tmp_path, shop, *options)
    assert (code, output) == (2, "")
    assert advice in complaints


def test_an_import_that_is_interrupted_does_not_end_well(tmp_path: Path, unused_tcp_port: int) -> None:
    """Kafka is down here; the orders wait for it until the stop."""
    rows = "".join(f"user{n},2025-01-01,{n}\n" for n in range(1, 50))
    (tmp_path / "shop.csv").write_text(f"{HEADER}\n{rows}")
    bootstrap = {"GLOBALMART_KAFKA_BOOTSTRAP": f"127.0.0.1:{unused_tcp_port}"}
    process = generate(tmp_path, "--from-csv", "shop.csv", "--summary-file", "s.json", **bootstrap)
    assert process.stderr is not None
    while "Kafka at" not in (line := process.stderr.readline()):
        assert line, "it ended by itself"
    process.send_signal(signal.SIGINT)
    output, complaints = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "49 of 49 orders were not sent" in complaints
    assert "not sent: 49 orders, sum 1,225.00" in output
    assert json.loads((tmp_path / "s.json").read_text())["file"]["not_sent"] == 49


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A hundred thousand rows more take less than 100 bytes each: read whole they would take 900."""

    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.csv"
        with path.open("w") as file:
            file.write(f"transaction_id,{HEADER},notes\n")
            file.writelines(
                f'order-{n:07},user{n % 5000},2025-01-01T{n % 24:02}:00:00Z,{n % 90}.25,"note, {n % 7}"\n'
                for n in range(rows)
            )
        process = generate(tmp_path, "--check", "--from-csv", path.name)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.communicate()
        assert process.returncode == 0
        return usage.ru_maxrss * 1024

    small, large = peak(150_000), peak(250_000)
    assert large - small < 10_000_000
