import threading

from agent.sampler import Sampler
from tests.fakes.eventually import eventually


class Work:
    """Something that runs or not, and counts its samples."""

    def __init__(self):
        self.running = False
        self.samples = 0
        self.error = None
        self.sampler = Sampler(self.tick, lambda: not self.running, 0.005)

    def tick(self):
        self.samples += 1
        if self.error is not None:
            raise self.error


def test_it_rests_while_nothing_runs():
    work = Work()

    assert not eventually(lambda: work.samples > 0, 0.05)
    work.sampler.close()


def test_it_samples_while_something_runs_and_rests_again_after():
    work = Work()
    work.running = True
    work.sampler.wake()
    assert eventually(lambda: work.samples > 3)
    work.running = False
    assert eventually(lambda: not work.sampler._wanted.is_set())
    assert not eventually(lambda before=work.samples: work.samples > before + 1, 0.05)
    work.running = True
    work.sampler.wake()
    assert eventually(lambda before=work.samples: work.samples > before + 3)
    work.sampler.close()


def test_a_sample_that_fails_does_not_end_the_sampling():
    work = Work()
    work.running, work.error = True, RuntimeError("broken")
    work.sampler.wake()

    assert eventually(lambda: work.samples > 3)
    work.sampler.close()


def test_closing_ends_the_thread():
    work = Work()
    work.running = True
    work.sampler.wake()
    work.sampler.close()

    assert not work.sampler._thread.is_alive()
    assert work.sampler._thread not in threading.enumerate()
