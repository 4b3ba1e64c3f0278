#!/usr/bin/env python3
"""Read an interval log with HdrHistogram's Python port, print what it holds.

usage: read_hlog.py FILE.hlog [EXPECTED.json]

Needs `pip install hdrhistogram==0.10.8`. Prints one JSON object: per interval
tag, start and length in ms, total count and the count of every used bucket
(keyed by the bucket's highest equivalent value). With EXPECTED.json it
compares instead, and exits 1 at the first difference. Tail quantiles are not
compared on purpose: ports round the rank differently, counts are exact.
"""

import json
import re
import sys

try:
    from hdrh.histogram import HdrHistogram
    from hdrh.log import HistogramLogReader
except ImportError:
    sys.exit("read_hlog.py: the hdrhistogram package is missing: pip install hdrhistogram==0.10.8")


def read(path):
    """All intervals of the log, in file order."""
    reference = HdrHistogram(1, 3_600_000_000_000, 3)
    reader = HistogramLogReader(path, reference)
    intervals = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        buckets = {
            str(histogram.get_highest_equivalent_value(step.value_iterated_to)): step.count_at_value_iterated_to
            for step in histogram.get_recorded_iterator()
        }
        intervals.append(
            {
                "tag": histogram.get_tag(),
                "start_ms": round(histogram.get_start_time_stamp()),
                "length_ms": round(histogram.get_end_time_stamp() - histogram.get_start_time_stamp()),
                "count": histogram.get_total_count(),
                "buckets": buckets,
            }
        )
    reader.close()
    # The reader skips lines it does not understand; that must not pass.
    with open(path, encoding="utf-8") as log:
        lines = sum(1 for line in log if re.match(r"^(Tag=|[0-9])", line))
    if lines != len(intervals):
        sys.exit(f"{path}: {lines} interval lines, {len(intervals)} could be read")
    return {"intervals": intervals}


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    found = read(sys.argv[1])
    if len(sys.argv) == 2:
        print(json.dumps(found))
        return
    with open(sys.argv[2], encoding="utf-8") as file:
        expected = json.load(file)
    if len(expected["intervals"]) != len(found["intervals"]):
        sys.exit(f"expected {len(expected['intervals'])} intervals, read {len(found['intervals'])}")
    for want, got in zip(expected["intervals"], found["intervals"]):
        for field in want:
            if want[field] != got[field]:
                sys.exit(f"interval {want['tag']}: {field} differs: expected {want[field]}, read {got[field]}")
    print(f"{len(found['intervals'])} intervals, {sum(i['count'] for i in found['intervals'])} samples: equal")


if __name__ == "__main__":
    main()
