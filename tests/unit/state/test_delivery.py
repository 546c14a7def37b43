from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from exporter.state.delivery import Delivery, OrganizationRemoved, Update


def named(name: str) -> OrganizationRemoved:
    return OrganizationRemoved(name)


def test_updates_are_published_in_the_order_in_which_they_were_put() -> None:
    published: list[Update] = []
    delivery = Delivery(published.append)
    for name in "abc":
        delivery.put(named(name))
    assert published == []
    delivery.deliver()
    assert published == [named("a"), named("b"), named("c")]
    delivery.deliver()
    assert len(published) == 3


def test_a_thread_that_delivers_waits_for_another_one_that_does() -> None:
    held, published = threading.Event(), []
    began = threading.Event()

    def publish(update: Update) -> None:
        if update == named("first"):
            began.set()
            held.wait(5)
        published.append(update.organization)

    delivery = Delivery(publish)
    delivery.put(named("first"))
    first = threading.Thread(target=delivery.deliver)
    first.start()
    assert began.wait(5)
    delivery.put(named("second"))
    second = threading.Thread(target=delivery.deliver)
    second.start()
    assert published == []
    held.set()
    first.join(5)
    second.join(5)
    assert published == ["first", "second"]


def test_updates_of_one_thread_stay_in_order_with_many_threads() -> None:
    published: list[tuple[str, int]] = []
    lock, numbers = threading.Lock(), {str(number): 0 for number in range(8)}
    delivery = Delivery(lambda update: published.append((update.organization, len(published))))
    order: list[str] = []

    def work(name: str) -> None:
        for _ in range(200):
            with lock:
                numbers[name] += 1
                order.append(f"{name} {numbers[name]}")
                delivery.put(named(f"{name} {numbers[name]}"))
            delivery.deliver()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, numbers))
    assert [name for name, _ in published] == order
    assert len(order) == 1600


def test_a_publisher_that_delivers_itself_does_not_wait_for_itself() -> None:
    published: list[str] = []

    def publish(update: Update) -> None:
        published.append(update.organization)
        if update == named("outer"):
            delivery.put(named("inner"))
            delivery.deliver()
            published.append("outer is done")

    delivery = Delivery(publish)
    delivery.put(named("outer"))
    delivery.deliver()
    assert published == ["outer", "outer is done", "inner"]


def test_updates_after_one_that_raises_are_published_by_the_next_delivery() -> None:
    published: list[str] = []

    def publish(update: Update) -> None:
        if update == named("bad"):
            raise RuntimeError("defect")
        published.append(update.organization)

    delivery = Delivery(publish)
    delivery.put(named("bad"))
    delivery.put(named("good"))
    with pytest.raises(RuntimeError):
        delivery.deliver()
    delivery.deliver()
    assert published == ["good"]


def test_each_receipt_says_whether_every_part_took_its_update_whichever_thread_published_it() -> None:
    held, began = threading.Event(), threading.Event()

    def publish(update: Update) -> bool:
        if update == named("first"):
            began.set()
            held.wait(5)
        return update != named("bad")

    delivery = Delivery(publish)
    receipts = [delivery.put(named("first"))]
    first = threading.Thread(target=delivery.deliver)
    first.start()
    assert began.wait(5)
    receipts += [delivery.put(named("bad")), delivery.put(named("good"))]
    held.set()
    first.join(5)
    assert [receipt.complete for receipt in receipts] == [True, False, True]
