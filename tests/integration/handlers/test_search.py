"""The route that searches an output: in the spool and in the archive, while the run goes on."""

from typing import Any

import pytest

from server.services.archive import packing
from server.services.search import search as searching
from tests.integration.handlers.harness import Api
from tests.integration.handlers.test_output import archived, live
from tests.support.waiting import patience


async def search(api: Api, run_id: str, query: str) -> Any:
    """Search a run's output."""
    return await api.call("GET", f"runs/{run_id}/search?{query}", status=200)


@pytest.mark.parametrize("made", [live, archived])
async def test_lines_that_match_are_told_in_order(
    api: Api, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "CHUNK_BYTES", 50)
    run_id = await made(api)
    found = await search(api, run_id, "q=9$&regex=true&from=30&until=80&context=1&histogram=4")
    assert [hit["line"] for hit in found["items"]] == [39, 49, 59, 69, 79]
    assert found["items"][0] == {
        "line": 39,
        "offset": 105,
        "text_offset": 105,
        "text": "39",
        "start": 1,
        "end": 2,
        "before": ["38"],
        "after": ["40"],
    }
    assert (found["count"], found["complete"], found["size"]) == (5, True, 292)
    assert found["next"] is None
    counted = await search(api, run_id, "q=9&limit=0&histogram=4")
    assert (counted["count"], counted["items"]) == (19, [])
    assert sum(hits for _, hits in counted["histogram"]) == 19
    assert counted["histogram"][0] == [9, 2]


@pytest.mark.parametrize("made", [live, archived])
async def test_a_cursor_goes_on_behind_the_last_hit(api: Api, made: Any) -> None:
    run_id = await made(api)
    lines, query = [], "q=1"
    while True:
        found = await search(api, run_id, f"{query}&limit=3")
        lines += [hit["line"] for hit in found["items"]]
        if found["complete"]:
            break
        query = f"q=1&cursor={found['next']}"
    assert lines == [number for number in range(1, 101) if "1" in str(number)]
    skipped = await search(api, run_id, "q=1&skip=5&limit=2")
    assert [hit["line"] for hit in skipped["items"]] == lines[5:7]


async def test_what_a_run_writes_later_is_counted_without_looking_anew(api: Api) -> None:
    later = "echo 2 needle; echo b"
    run_id = await api.run(f"trap '{later}' USR1; echo needle; while :; do sleep 0.1; done")
    async with patience(), api.stream(run_id, "?format=raw") as stream:
        await stream.receive()
        first = await search(api, run_id, "q=needle")
        assert (first["count"], first["complete"], first["scanned_bytes"]) == (1, True, 7)
        await api.call("POST", f"runs/{run_id}/signal", json={"signal": "SIGUSR1"}, status=202)
        size = first["size"]
        while size < 18:
            size += len((await stream.receive()).data)
    found = await search(api, run_id, f"q=needle&cursor={first['next']}")
    assert (found["count"], [hit["line"] for hit in found["items"]]) == (2, [3])  # 2 is the shell's


async def test_a_line_that_goes_on_is_looked_at_as_it_is_and_again(api: Api) -> None:
    run_id = await api.run("printf 'a\\nba'; exec sleep 1000")
    async with api.stream(run_id, "?format=raw") as stream:
        size = 0
        while size < 4:
            size += len((await stream.receive()).data)
    first = await search(api, run_id, "q=a$&regex=true")
    assert (first["count"], first["complete"], first["scanned_bytes"]) == (2, True, 2)
    again = await search(api, run_id, f"q=a$&regex=true&cursor={first['next']}")
    assert (again["count"], [hit["line"] for hit in again["items"]]) == (2, [2])
    beyond = await search(api, run_id, "q=a&from=50")
    assert (beyond["count"], beyond["complete"]) == (0, True)


async def test_output_in_another_encoding_is_searched_and_told_in_it(api: Api) -> None:
    text = "\n".join(("диск полон", "ОШИБКА", ""))
    octal = "".join(f"\\{byte:03o}" for byte in text.encode("cp866"))
    run_id = await api.run(f"printf '{octal}'")
    await api.ended(run_id)
    found = await search(api, run_id, "q=ошибка&encoding=ibm866&context=1")
    assert [(hit["line"], hit["text"], hit["before"]) for hit in found["items"]] == [
        (2, "ОШИБКА", ["диск полон"])
    ]
    assert (await search(api, run_id, "q=ошибка"))["count"] == 0
    first = await search(api, run_id, "q=.&regex=true&encoding=ibm866&limit=1")
    for query in ("encoding=windows-1251&", ""):
        cursor = f"search?q=.&regex=true&{query}cursor={first['next']}"
        await api.problem("GET", f"runs/{run_id}/{cursor}", 422, "invalid-cursor")


async def test_what_cannot_be_searched_for_is_refused(api: Api, subtests: pytest.Subtests) -> None:
    run_id = await archived(api)
    other = (await search(api, run_id, "q=1&limit=1"))["next"]
    for query, slug, words in [
        ("q=(&regex=true", "pattern-refused", "missing ): ( (at character 1)"),
        ("q=", "invalid-input", "Length must be between"),
        ("", "invalid-input", "q: Missing data"),
        ("q=a&limit=501", "invalid-input", "limit"),
        ("q=a&what=1", "invalid-input", "what"),
        ("q=a&encoding=utf-16le", "invalid-input", "UTF-16 cannot be searched"),
        ("q=a&encoding=koi8-r", "invalid-input", "Must be one of: utf-8, windows-1251, ibm866"),
        ("q=%E6%97%A5&encoding=ibm866", "pattern-refused", "There is no '日' in ibm866"),
        (f"q=2&cursor={other}", "invalid-cursor", "another search"),
        ("q=a&cursor=%C3%A9", "invalid-cursor", "not made by this service"),
        (f"q=1&from=2&cursor={other}", "invalid-input", "Give only one of these"),
    ]:
        with subtests.test(query):
            told = await api.problem("GET", f"runs/{run_id}/search?{query}", 422, slug)
            assert words in told["detail"]


@pytest.mark.parametrize("made", [live, archived])
async def test_a_call_whose_time_is_over_says_so_and_leads_on(
    api: Api, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await made(api)
    monkeypatch.setattr(searching, "CALL_SECONDS", 0.0)
    found = await search(api, run_id, "q=1&limit=0")
    assert (found["complete"], found["count"], found["scanned_bytes"]) == (False, 0, 0)
    monkeypatch.setattr(searching, "CALL_SECONDS", 2.0)
    found = await search(api, run_id, f"q=1&limit=0&cursor={found['next']}")
    assert (found["complete"], found["count"]) == (True, 20)
