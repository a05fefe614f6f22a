"""A small disk for the table `transactions`, which fills up when asked, and knobs inside the database.

As root the disk is a tmpfs with a tablespace on it, shrunk to what is used: PostgreSQL really gets ENOSPC. Who may not
mount gets the nearest thing: a trigger that raises SQLSTATE 53100, which is what PostgreSQL makes of ENOSPC.
"""

import asyncio
import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from compose.embedded.process import find_unprivileged_user
from tests.faults.world import World

_ROOMY: Final = "4g"
_TRIES: Final = 20
_KNOBS: Final = """
CREATE TABLE chaos_knobs (slow_seconds DOUBLE PRECISION NOT NULL, disk_full BOOLEAN NOT NULL);
INSERT INTO chaos_knobs VALUES (0, false);
CREATE FUNCTION turn_knobs() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    knobs chaos_knobs;
BEGIN
    SELECT * INTO knobs FROM chaos_knobs;
    PERFORM pg_sleep(knobs.slow_seconds);
    IF knobs.disk_full THEN
        RAISE disk_full;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER turn_knobs BEFORE INSERT ON transactions FOR EACH STATEMENT EXECUTE FUNCTION turn_knobs()"""


async def install_knobs(world: World) -> None:
    """Statements that insert transactions obey `chaos_knobs` from now on."""
    await world.execute(_KNOBS)


async def make_slow(world: World, seconds: float) -> None:
    """Every insert into `transactions` takes so much longer."""
    await world.execute(f"UPDATE chaos_knobs SET slow_seconds = {seconds}")


class SmallDisk(Protocol):
    """`how` says in a report what kind of a disk it is."""

    how: str

    async def fill(self) -> None:
        """No space is left from now on."""

    async def free(self) -> None:
        """There is space again."""

    async def remove(self) -> None:
        """The database is as it was before."""


class KnobDisk:
    """A trigger that says the disk is full."""

    how = "trigger raising SQLSTATE 53100"

    def __init__(self, world: World) -> None:
        self._world = world

    async def fill(self) -> None:
        """From now on inserts fail."""
        await self._world.execute("UPDATE chaos_knobs SET disk_full = true")

    async def free(self) -> None:
        """Inserts work again."""
        await self._world.execute("UPDATE chaos_knobs SET disk_full = false")

    async def remove(self) -> None:
        """Nothing was added that the knobs do not own."""


class TmpfsDisk:
    """A tablespace on a tmpfs that is shrunk to what is used."""

    how = "tablespace on a tmpfs, ENOSPC"

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._folder = folder
        self._tablespace = f"small_{world.database}"

    async def fill(self) -> None:
        """Leave no page, and see to it that the next rows need one."""
        await asyncio.to_thread(self._shrink)

    async def free(self) -> None:
        """As large as in the beginning."""
        await asyncio.to_thread(self._resize, _ROOMY)

    async def use(self) -> None:
        """Move the table here."""
        await self._world.execute(f"CREATE TABLESPACE {self._tablespace} LOCATION '{self._folder}'")
        await self._world.execute(f"ALTER TABLE transactions SET TABLESPACE {self._tablespace}")

    async def remove(self) -> None:
        """Move the table back and unmount."""
        try:
            await self.free()
            await self._world.execute("ALTER TABLE transactions SET TABLESPACE pg_default")
            await self._world.execute(f"DROP TABLESPACE {self._tablespace}")
        finally:
            subprocess.run(["umount", "--lazy", str(self._folder)], check=True)
            self._folder.rmdir()

    def _shrink(self) -> None:
        """PostgreSQL goes on writing: a disk that has grown since it was looked at refuses to be that small."""
        for _ in range(_TRIES):
            with suppress(subprocess.CalledProcessError):
                self._resize(f"{self._used_bytes()}")
                return
        raise RuntimeError(f"{self._folder} was never still enough to be shrunk")

    def _used_bytes(self) -> int:
        disk = os.statvfs(self._folder)
        return (disk.f_blocks - disk.f_bfree) * disk.f_frsize

    def _resize(self, size: str) -> None:
        command = ["mount", "-o", f"remount,size={size}", str(self._folder)]
        subprocess.run(command, check=True, capture_output=True)


async def make_small_disk(world: World) -> SmallDisk:
    """The real one where this user may mount, else the knob."""
    folder = _mounted_tmpfs(world.database)
    if folder is None:
        return KnobDisk(world)
    disk = TmpfsDisk(world, folder)
    try:
        await disk.use()
    except BaseException:
        await disk.remove()
        raise
    return disk


def _mounted_tmpfs(name: str) -> Path | None:
    identity = find_unprivileged_user()
    if identity is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix=f"globalmart-{name}-", dir="/var/tmp"))
    options = f"size={_ROOMY},mode=700,uid={identity.uid},gid={identity.gid}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "globalmart-chaos", str(folder)]
    try:
        refused = subprocess.run(mount, check=False, capture_output=True).returncode
    except FileNotFoundError:
        refused = 1
    if refused:
        folder.rmdir()
        return None
    return folder
