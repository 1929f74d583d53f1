"""The marks: what Tailrun promises, as medians and ratios of medians of one session."""

from typing import NamedTuple

SLOW = "a line at a time"
LOUD = "beside a loud run"
BEYOND = "≤+"


class Mark(NamedTuple):
    """A bound on somebody's figure, or on its ratio to that of somebody `beside`.

    With the sign BEYOND the bound is on what it is more than that one.
    """

    measure: str
    who: str
    figure: str
    sign: str
    bound: float
    beside: str = ""
    beside_figure: str = ""


def _of(row: str) -> Mark:
    measure, who, figure, bound, *beside = (cell.strip() for cell in row.split("|"))
    sign, number = bound.split()
    return Mark(measure, who, figure, sign, float(number), *beside)


TABLE = f"""
throughput | tailrun raw                      | delivered       | ≥ 15  | websocketd
throughput | tailrun raw                      | delivered       | ≥ 0.5 | bare command
throughput | tailrun raw, {SLOW}              | delivered       | ≥ 0.5 | bare command, {SLOW}
throughput | tailrun raw                      | archived        | ≥ 5   | websocketd | delivered
throughput | tailrun raw                      | archived        | ≥ 100
throughput | tailrun json                     | delivered       | ≥ 15  | websocketd
throughput | tailrun json                     | delivered       | ≥ 0.5 | bare command
throughput | tailrun json, {SLOW}             | delivered       | ≥ 0.5 | bare command, {SLOW}
throughput | tailrun json                     | archived        | ≥ 5   | websocketd | delivered
throughput | tailrun json                     | archived        | ≥ 100
latency    | tailrun text                     | median          | ≤ 2   | websocketd
latency    | tailrun text                     | 99th percentile | ≤ 2
latency    | tailrun text                     | median          | ≤ 1.2 | cronstable
latency    | tailrun text, {LOUD}             | median          | ≤ 2   | websocketd, {LOUD}
latency    | tailrun text, {LOUD}             | 99th percentile | ≤ 2   | websocketd, {LOUD}
latency    | tailrun text, after 10 MB        | median          | ≤ 2   | websocketd
latency    | tailrun text, after 10 MB        | 99th percentile | ≤ 2
latency    | tailrun text, after 100 MB       | median          | ≤ 2   | websocketd
latency    | tailrun text, after 100 MB       | 99th percentile | ≤ 2
latency    | tailrun text, after 1,000 MB     | median          | ≤ 2   | websocketd
latency    | tailrun text, after 1,000 MB     | 99th percentile | ≤ 2
starts     | tailrun       | started and ended    | ≥ 1   | procrastinate
starts     | tailrun       | started and ended    | ≥ 0.7 | cronstable
starts     | tailrun       | started and ended    | ≥ 0.5 | bare asyncio
late       | spool, raw    | all                  | ≥ 200
late       | archive, raw  | all                  | ≥ 100
late       | archive, zstd | all                  | ≥ 300
late       | spool, raw    | first byte           | ≤ 20
late       | archive, raw  | first byte           | ≤ 20
late       | archive       | last 100 lines       | ≤ 20
late       | archive       | 100 lines in the middle | ≤ 20
crowd      | 500 viewers   | 99th percentile      | ≤ 50
crowd      | 500 viewers   | server CPU           | ≤ 1
crowd      | 500 viewers   | memory a viewer      | ≤ 40
crowd      | 1,000 viewers | CPU a viewer         | ≤ 1.2 | 1 viewer
crowd      | 1,000 viewers | CPU a viewer         | ≤ 1.2 | 100 viewers
many       | 500 runs      | service CPU          | ≤ 0.5
many       | 500 runs      | memory a run         | ≤ 100
many       | 1,000 runs    | CPU a run            | ≤ 1.2 | 1 run
many       | 1,000 runs    | CPU a run            | ≤ 1.2 | 100 runs
memory     | 10,000 MB     | growth of the server | ≤ 32
memory     | 10,000 MB     | growth of the keeper | ≤ 0.5
memory     | 10,000 MB     | CPU a MB             | ≤ 1.2 | 1 MB
memory     | 10,000 MB     | CPU a MB             | ≤ 1.2 | 100 MB
memory     | 10,000 MB     | time a MB            | ≤ 1.2 | 1 MB
memory     | 10,000 MB     | time a MB            | ≤ 1.2 | 100 MB
bearer     | token         | started and ended    | ≥ 0.95 | local
bearer     | token, raw    | delivered            | ≥ 0.95 | local, raw
page       | page                  | opened at the end       | ≤ 500
page       | page, any line        | painted                 | ≤ 150
page       | page, end to end      | gaps over 50 ms         | ≤ 0
page       | page, end to end      | memory (USS)            | ≤ 100
page       | page, 100,000 lines/s | 95th percentile of frames | ≤ 1.5 | bare page, 100,000 lines/s
page       | page, 100,000 lines/s | 95th percentile of frames | ≤ 1   | xterm, 100,000 lines/s
page       | page, 100,000 lines/s | frames without a line   | ≤ 0
page       | page, 100,000 lines/s | behind at most          | ≤ 1
page       | page, 100,000 lines/s | end shown after the end | ≤ 0.5
page       | page, 1,000,000 lines | end shown after the end | ≤ 1
page       | page, 10,000,000 lines | end shown after the end | ≤ 1
page       | page, a line of 300 MB | received               | ≤ 1
page       | page, 1,000,000 updates of a line | received    | ≤ 1
page       | page, runs            | requests to show        | ≤ 2
page       | page, runs            | requests in an idle minute | ≤ 0
page       | page, the error       | found by one key        | ≤ 2000
search     | spool, a text | all counted | ≤ 2 | grep -c, a text, beside spool
search     | spool, a text | first hits | ≤ 300
search     | spool, any case | all counted | ≤ 2 | grep -c, any case, beside spool
search     | spool, any case | first hits | ≤ 300
search     | spool, a pattern | all counted | ≤ 2 | grep -c, a pattern, beside spool
search     | spool, a pattern | first hits | ≤ 300
search     | archive, a text | all counted | ≤ 2 | grep -c, a text, beside archive
search     | archive, a text | first hits | ≤ 300
search     | archive, any case | all counted | ≤ 2 | grep -c, any case, beside archive
search     | archive, any case | first hits | ≤ 300
search     | archive, a pattern | all counted | ≤ 2 | grep -c, a pattern, beside archive
search     | archive, a pattern | first hits | ≤ 300
search     | a viewer, beside 8 searches | 99th percentile | ≤ 2 | a viewer
client     | tailrun run, 1 GB | from start to exit code | ≥ 0.8 | curl -N, 1 GB
applying   | 1,000 commands        | applied | ≤ 2000
applying   | 1,000 commands, again | applied | ≤ 2000
hosts      | worker, echo hi    | first byte | ≤+ 10 | local, echo hi
hosts      | worker, a line     | median     | ≤ 2.5 | local, a line
hosts      | worker, 100 MB     | delivered  | ≥ 0.7 | local, 100 MB
hosts      | worker, 100 MB     | delivered  | ≥ 0.7 | bare NATS, 100 MB
hosts      | worker, at once    | started and ended | ≥ 1 | local, at once
hosts      | worker, at once    | CPU a run at the server | ≤ 1 | local, at once | CPU a run
hosts      | worker, at once on another | started and ended | ≥ 1 | local, at once on a processor
hosts      | NATS is back       | a line     | ≤ 1
hosts      | NATS is back       | a start    | ≤ 1
hosts      | NATS is back       | a stop     | ≤ 1
hosts      | engine             | memory     | ≤ 25
hosts      | worker             | memory     | ≤ 65
hosts      | default            | started    | ≤ 1.1  | default, before
hosts      | default            | memory     | ≤ 1.05 | default, before
listing    | 1,000,000 runs | slowest list        | ≤ 10
"""
MARKS = [_of(row) for row in TABLE.strip().splitlines()]
