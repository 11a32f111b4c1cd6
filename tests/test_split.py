"""The same objects are apart in every data set of one seed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vedette.split import Split, dev_objects


@given(st.lists(st.text(min_size=1, max_size=12)), st.integers(0, 99), st.floats(0, 1))
def test_an_object_is_apart_by_itself(objects: list[str], seed: int, share: float) -> None:
    assert dev_objects(objects, seed, share) == tuple(
        uid for uid in objects if dev_objects((uid,), seed, share) == (uid,)
    )


def test_it_does_not_change_from_one_version_to_the_next() -> None:
    """Data that was made, and texts that will be, have to fit each other."""
    ids = [f"T{n}" for n in range(1000, 1100)]
    assert dev_objects(ids, 7, 0.05) == DEV


DEV = ("T1015", "T1016", "T1021", "T1033")


def test_a_row_is_shown_of_dev_what_it_is_about_alone() -> None:
    split = Split(7, 0.05)
    assert split.hides(["T1000", "T1015"], ["T1000"])
    assert split.hides(["T1016"], ["T1015"])
    assert not split.hides(["T1000", "T1015"], ["T1015"])
    assert not split.hides(["T1000"], [])
    assert not Split().hides(["T1015"], [])
