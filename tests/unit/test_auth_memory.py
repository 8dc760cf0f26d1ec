"""The bounded memory for what has been found out about tokens."""

import threading

from marconi_server.auth.memory import Memory
from marconi_server.storage.conformance import ManualClock


def test_each_value_lives_for_its_own_time() -> None:
    clock = ManualClock()
    memory: Memory[str] = Memory(10, clock)
    memory.put(b"short", "a", 1)
    memory.put(b"long", "b", 2)
    clock.advance(0.75)
    assert (memory.get(b"short"), memory.get(b"long")) == ("a", "b")
    clock.advance(0.25)
    assert (memory.get(b"short"), memory.get(b"long")) == (None, "b")
    clock.advance(1)
    assert memory.get(b"long") is None


def test_a_new_value_replaces_the_old_one_and_its_time() -> None:
    clock = ManualClock()
    memory: Memory[str] = Memory(10, clock)
    memory.put(b"key", "old", 10)
    memory.put(b"key", "new", 1)
    assert memory.get(b"key") == "new"
    clock.advance(1)
    assert memory.get(b"key") is None


def test_no_time_is_no_memory() -> None:
    memory: Memory[str] = Memory(10, ManualClock())
    memory.put(b"key", "value", 0)
    memory.put(b"key", "value", -1)
    assert memory.get(b"key") is None


def test_the_oldest_makes_room() -> None:
    memory: Memory[str] = Memory(2, ManualClock())
    for key in (b"1", b"2", b"1", b"3"):  # so 2 is the oldest when 3 comes
        memory.put(key, key.decode(), 60)
    assert [memory.get(key) for key in (b"1", b"2", b"3")] == ["1", None, "3"]


def test_threads_do_not_break_the_bound() -> None:
    memory: Memory[int] = Memory(50, ManualClock())

    def work(thread: int) -> None:
        for number in range(1000):
            key = b"%d-%d" % (thread, number)
            memory.put(key, number, 60)
            assert memory.get(key) in (number, None)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = [
        (thread, number)
        for thread in range(4)
        for number in range(1000)
        if memory.get(b"%d-%d" % (thread, number)) is not None
    ]
    assert len(kept) == 50
