import os
import resource
import threading
import time

import pytest

from agent.errors import SpoolBusyError, SpoolError, SpoolFullError
from agent.spool import BLOCK_BYTES, Spool
from tests.fakes.agent import WALL, HandClock


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "home" / "spool"


@pytest.fixture
def spool(folder, clock):
    return Spool(folder, clock)


def test_what_is_enqueued_is_on_disk_for_the_next_process(spool, folder, clock):
    name = spool.enqueue(b'{"a":1}')

    assert Spool(folder, clock).pending() == [name]
    assert (folder / "pending" / name).read_bytes() == b'{"a":1}'


def test_what_is_no_file_is_no_record(spool, folder):
    (folder / "pending" / "1.json").mkdir()
    (folder / "pending" / "2.json").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pending" / "3.json")
    name = spool.enqueue(b"{}")

    assert spool.pending() == [name]


def test_records_come_back_in_the_order_in_which_they_came(spool, clock):
    names = []
    for _ in range(5):
        names.append(spool.enqueue(b"{}"))
        clock.advance(0.5)

    assert spool.pending() == names


def test_records_of_the_same_moment_are_all_kept(spool):
    assert len({spool.enqueue(b"{}") for _ in range(20)}) == len(spool.pending()) == 20


def test_an_acknowledged_record_is_gone(spool):
    first, second = spool.enqueue(b"1"), spool.enqueue(b"2")
    spool.acknowledge(first)
    spool.acknowledge(first)

    assert spool.pending() == [second]
    assert spool.load(first) is None


def test_a_rejected_record_is_kept_with_its_problem(spool):
    name = spool.enqueue(b'{"a":1}')
    spool.reject(name, b'{"title":"no"}')

    assert spool.pending() == []
    assert spool.rejected() == [name]
    assert spool.problem(name) == b'{"title":"no"}'
    assert (spool.rejected_folder / name).read_bytes() == b'{"a":1}'


def test_a_rejected_record_can_be_sent_again(spool):
    name = spool.enqueue(b'{"a":1}')
    spool.reject(name, b"{}")

    assert spool.retry_rejected() == 1
    assert (spool.pending(), spool.rejected(), spool.problem(name)) == ([name], [], None)


def test_a_torn_leftover_is_no_record_and_goes_after_an_hour(spool, folder, clock):
    torn, young = folder / "pending" / ".1-a.json.ab.part", folder / "pending" / ".2-b.json.cd.part"
    torn.write_bytes(b'{"a"')
    young.write_bytes(b'{"a"')
    os.utime(torn, (time.time() - 7200, time.time() - 7200))

    assert spool.pending() == []
    Spool(folder, clock)
    assert not torn.exists()
    assert young.exists()


def test_a_full_spool_refuses_loudly_and_counts_what_was_lost(folder, clock):
    spool = Spool(folder, clock, max_bytes=3 * BLOCK_BYTES)
    for _ in range(3):
        spool.enqueue(b"{}")
    for _ in range(2):
        with pytest.raises(SpoolFullError, match="its bound is 12288"):
            spool.enqueue(b"{}")
        clock.advance(1)

    assert len(spool.pending()) == 3
    losses = spool.losses()
    assert (losses.count, losses.first_wall_ns, losses.last_wall_ns) == (2, WALL, WALL + 1_000_000_000)


def test_room_that_was_made_is_used_again(folder, clock):
    spool = Spool(folder, clock, max_bytes=2 * BLOCK_BYTES)
    first = spool.enqueue(b"{}")
    spool.enqueue(b"{}")
    spool.acknowledge(first)

    spool.enqueue(b"{}")
    assert len(spool.pending()) == 2


def test_what_other_processes_put_in_counts_when_the_bound_is_near(folder, clock):
    spool = Spool(folder, clock, max_bytes=4 * BLOCK_BYTES)
    spool.enqueue(b"{}")
    other = Spool(folder, clock)
    for _ in range(3):
        other.enqueue(b"{}")
    spool.enqueue(b"{}")
    spool.enqueue(b"{}")
    spool.enqueue(b"{}")

    with pytest.raises(SpoolFullError):
        spool.enqueue(b"{}")


def test_rejected_records_count_too(folder, clock):
    spool = Spool(folder, clock, max_bytes=2 * BLOCK_BYTES)
    spool.reject(spool.enqueue(b"{}"), b"{}")

    with pytest.raises(SpoolFullError):
        spool.enqueue(b"{}")


def test_a_disk_without_room_refuses_loudly_and_leaves_nothing_half_written(spool, folder):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        with pytest.raises(SpoolFullError, match="could not be written"):
            spool.enqueue(b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert list((folder / "pending").iterdir()) == []
    assert spool.losses().count == 1


def test_losses_survive_the_process(spool, folder, clock):
    spool.note_loss()
    spool.close()

    assert Spool(folder, clock).losses().count == 1


def test_a_damaged_note_of_losses_is_still_a_loss(spool, folder):
    (folder / "lost").write_bytes(b"garbage")

    assert spool.losses().count == 1


def test_one_at_a_time_sends(spool, folder, clock):
    other = Spool(folder, clock)
    with spool.sending(), pytest.raises(SpoolBusyError), other.sending():
        pass
    with other.sending():
        pass


def test_others_enqueue_while_one_sends(spool, folder, clock):
    with spool.sending():
        Spool(folder, clock).enqueue(b"{}")

    assert len(spool.pending()) == 1


def test_many_threads_enqueue_at_once(spool):
    threads = [threading.Thread(target=lambda: [spool.enqueue(b"{}") for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(spool.pending()) == 80


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path, clock):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(SpoolError, match="file"):
        Spool(tmp_path / "file" / "spool", clock)
