from datetime import UTC, datetime, timedelta

from issuer.clock import SystemClock


def test_the_system_clock_is_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


async def test_a_moment_that_has_passed_is_not_waited_for() -> None:
    before = datetime.now(UTC)
    await SystemClock().sleep_until(before - timedelta(days=1))
    assert datetime.now(UTC) - before < timedelta(seconds=1)


async def test_sleeping_ends_when_the_moment_is_reached() -> None:
    clock = SystemClock()
    moment = clock.now() + timedelta(milliseconds=20)
    await clock.sleep_until(moment)
    assert clock.now() >= moment
