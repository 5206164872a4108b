"""The queue loses no change, works on no name twice at a time, and waits longer after each failure."""

import asyncio
import random

from ocr_operator.loop.workqueue import LAST_RETRY_S, WorkQueue


async def _take(queue: WorkQueue[str]) -> str:
    return await asyncio.wait_for(queue.get(), 5)


def test_a_name_added_often_comes_once() -> None:
    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        for _ in range(100):
            queue.add("a")
        queue.add("b")
        assert [await _take(queue), await _take(queue)] == ["a", "b"]
        assert len(queue) == 0

    asyncio.run(scenario())


def test_a_name_added_while_it_is_worked_on_comes_again_afterwards_and_not_before() -> None:
    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        queue.add("a")
        name = await _take(queue)
        queue.add("a")
        queue.add("b")
        assert await _take(queue) == "b"
        assert queue.running == 2
        queue.done(name)
        assert await _take(queue) == "a"

    asyncio.run(scenario())


def test_a_name_due_later_comes_at_its_time_or_when_it_is_wanted_earlier() -> None:
    async def scenario() -> None:
        now = [0.0]
        queue: WorkQueue[str] = WorkQueue(clock=lambda: now[0])
        queue.add("late", 30)
        queue.add("soon", 10)
        now[0] = 10.0
        assert await _take(queue) == "soon"
        queue.add("late")
        assert await _take(queue) == "late"
        queue.done("late")
        now[0] = 31.0
        queue.add("other")
        assert await _take(queue) == "other", "the later date of `late` is void: it has been worked on since"

    asyncio.run(scenario())


def test_failures_in_a_row_wait_longer_up_to_a_minute_until_one_succeeds() -> None:
    async def scenario() -> None:
        now = [0.0]
        queue: WorkQueue[str] = WorkQueue(clock=lambda: now[0])
        waits = []
        for _ in range(12):
            waits.append(queue.retry("a"))
            now[0] += waits[-1]
            queue.done(await _take(queue))
        assert waits == sorted(waits)
        assert waits[0] < 1
        assert waits[-1] == LAST_RETRY_S
        queue.forget("a")
        assert queue.retry("a") == waits[0]

    asyncio.run(scenario())


def test_a_day_of_failures_is_counted_as_a_minute_of_waiting() -> None:
    queue: WorkQueue[str] = WorkQueue()
    waits = {queue.retry("a") for _ in range(1500)}
    assert max(waits) == LAST_RETRY_S


def test_age_is_that_of_what_is_overdue_or_worked_on_longest() -> None:
    async def scenario() -> None:
        now = [100.0]
        queue: WorkQueue[str] = WorkQueue(clock=lambda: now[0])
        assert queue.oldest_s() == 0
        queue.add("later", 50)
        now[0] = 120.0
        assert queue.oldest_s() == 0, "nothing is overdue yet"
        now[0] = 180.0
        assert queue.oldest_s() == 30
        await _take(queue)
        assert queue.oldest_s() == 0
        now[0] = 500.0
        assert queue.oldest_s() == 320

    asyncio.run(scenario())


def test_whatever_is_added_by_many_is_worked_on_after_its_last_change() -> None:
    """Random producers and workers: at the end every worker saw the newest version of each name, and none was shared."""

    async def scenario(seed: int) -> None:
        chance = random.Random(seed)
        queue: WorkQueue[int] = WorkQueue()
        version = dict.fromkeys(range(20), 0)
        seen = dict.fromkeys(range(20), 0)
        busy: set[int] = set()

        async def produce() -> None:
            for _ in range(200):
                name = chance.randrange(20)
                version[name] += 1
                queue.add(name, chance.choice([0, 0, 0.001]))
                await asyncio.sleep(chance.choice([0, 0, 0.0005]))

        async def work() -> None:
            while True:
                name = await queue.get()
                assert name not in busy
                busy.add(name)
                seen[name] = version[name]
                await asyncio.sleep(chance.choice([0, 0.001]))
                busy.discard(name)
                queue.done(name)

        workers = [asyncio.create_task(work()) for _ in range(4)]
        await asyncio.gather(*(produce() for _ in range(3)))
        async with asyncio.timeout(10):
            while len(queue) or queue.running:
                assert not any(task.done() for task in workers)
                await asyncio.sleep(0.001)
        assert seen == version
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    for seed in range(5):
        asyncio.run(scenario(seed))


def test_what_is_ahead_comes_before_all_else_once_it_is_due() -> None:
    async def scenario() -> None:
        now = [0.0]
        queue: WorkQueue[str] = WorkQueue(clock=lambda: now[0])
        for name in ("a", "b", "c", "d"):
            queue.add(name)
        assert await _take(queue) == "a"
        queue.add("a")  # a watch tells of what was done
        queue.add("a", 10, is_ahead=True)
        queue.done("a")
        assert await _take(queue) == "a", "as early as the one, and as far ahead as the other"
        queue.done("a")
        queue.add("d", 10, is_ahead=True)
        queue.add("later", 10, is_ahead=True)
        assert [await _take(queue), await _take(queue), await _take(queue)] == ["d", "b", "c"]
        assert len(queue) == 1
        now[0] = 10.0
        assert await _take(queue) == "later"
        assert len(queue) == 0

    asyncio.run(scenario())


def test_one_put_off_comes_no_earlier_whatever_it_is_added_for_and_then_before_others() -> None:
    async def scenario() -> None:
        now = [0.0]
        queue: WorkQueue[str] = WorkQueue(clock=lambda: now[0])
        queue.add("a")
        name = await _take(queue)
        queue.add("a")  # while it is worked on
        queue.put_off("a", 5)
        queue.done(name)
        queue.add("b", 1)
        assert (queue.is_ahead("a"), queue.is_ahead("b")) == (True, False)
        now[0] = 4.0
        assert await _take(queue) == "b"
        queue.done("b")
        queue.add("b", 1)
        now[0] = 6.0
        assert await _take(queue) == "a"
        queue.done("a")
        queue.add("c", 9)
        queue.put_off("c", 1)
        now[0] = 7.0
        assert [await _take(queue), await _take(queue)] == ["c", "b"]

    asyncio.run(scenario())
