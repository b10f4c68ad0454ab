#!/usr/bin/env python3
"""Ten queries of responders, ours against DuckDB on the same Parquet files, in one run.

    bench/query.py [--events N] [--rounds N] [--data FOLDER]

Makes a lake of N events once (`crates/lake/examples/fill.rs`) and asks ten questions in rounds: each
round asks each engine each question once, one engine after the other. Two times are taken:

- engine: from the text to the last row, in a process that is open already (ours:
  `crates/hunt/examples/ask.rs`; DuckDB: its Python module, with its cache of metadata on);
- process: a whole command, as a person at a terminal has it (`watchfloor query` against `duckdb`).

Before anything is timed the answers are compared, row by row. Prints Markdown; the figures go to
`target/bench/query.json` as well.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from statistics import geometric_mean, median

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
VENV = ROOT / "target" / "peers"
PEERS = ["duckdb==2.0.0", "duckdb-cli==1.5.6", "pytz"]

# The classes whose views the questions use. Ours come from the schema; DuckDB's are made here.
VIEWS = {"process_activity": 1007, "authentication": 3002, "dns_activity": 4003}

# Name, SQL for both; a third part is DuckDB's spelling where it differs.
QUERIES = [
    (
        "needle by address",
        "SELECT time, src_endpoint_ip, dst_endpoint_port, raw_data FROM events"
        " WHERE dst_endpoint_ip = '203.0.113.77' ORDER BY time",
    ),
    (
        "substring in command line",
        "SELECT time, device_hostname, process_cmd_line FROM events"
        " WHERE process_cmd_line LIKE '%urlcache%' ORDER BY time",
    ),
    (
        "top N",
        "SELECT dst_endpoint_ip, count(*) AS times FROM events"
        " WHERE dst_endpoint_ip IS NOT NULL GROUP BY 1 ORDER BY times DESC, 1 LIMIT 20",
    ),
    (
        "histogram",
        "SELECT date_trunc('hour', time) AS hour, class_uid, count(*) AS times FROM events"
        " GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    (
        "join with 100,000 indicators",
        "SELECT e.dst_endpoint_ip, i.feed, count(*) AS times, min(e.time) AS first"
        " FROM events e JOIN indicators i ON e.dst_endpoint_ip = i.ip"
        " GROUP BY 1, 2 ORDER BY times DESC, 1 LIMIT 100",
    ),
    (
        "first seen",
        "SELECT query_hostname, min(time) AS first, count(*) AS times FROM dns_activity"
        " GROUP BY 1 HAVING min(time) >= TIMESTAMP '2026-11-07 12:00:00+00'"
        " ORDER BY first, 1 LIMIT 100",
        "SELECT query_hostname, min(time) AS first, count(*) AS times FROM dns_activity"
        " GROUP BY 1 HAVING min(time) >= TIMESTAMPTZ '2026-11-07 12:00:00+00'"
        " ORDER BY first, 1 LIMIT 100",
    ),
    (
        "rare pair",
        "SELECT actor_user_name, device_hostname, count(*) AS times, min(time) AS first"
        " FROM process_activity GROUP BY 1, 2 HAVING count(*) = 1 ORDER BY first, 1, 2 LIMIT 100",
    ),
    (
        "window per entity",
        "SELECT user_name, max(burst) AS most FROM (SELECT user_name, count(*) OVER"
        " (PARTITION BY user_name ORDER BY time"
        " RANGE BETWEEN INTERVAL '10 minutes' PRECEDING AND CURRENT ROW) AS burst"
        " FROM authentication) GROUP BY 1 ORDER BY most DESC, 1 LIMIT 20",
    ),
    (
        "JSON field",
        "SELECT json_get_str(native, 'winlog', 'event_data', 'IntegrityLevel') AS level,"
        " count(*) AS times FROM process_activity GROUP BY 1 ORDER BY 1",
        "SELECT json_extract_string(coalesce(native, raw_data),"
        " '$.winlog.event_data.IntegrityLevel') AS level,"
        " count(*) AS times FROM process_activity GROUP BY 1 ORDER BY 1",
    ),
    (
        "distinct count",
        "SELECT date_trunc('day', time) AS a_day, count(DISTINCT dst_endpoint_ip) AS addresses"
        " FROM events GROUP BY 1 ORDER BY 1",
    ),
]


class Lake:
    """A lake for measuring, and how to reach it from either side."""

    def __init__(self, folder):
        self.data = folder
        self.raw = folder / "raw.jsonl"
        self.indicators = folder / "indicators.csv"
        self.has_native = None

    def live_files(self):
        """The Parquet files of the newest version of `events`, by Delta's log."""
        table = self.data / "lake" / "events"
        files = {}
        for entry in sorted((table / "_delta_log").glob("*.json")):
            for line in entry.read_text().splitlines():
                action = json.loads(line)
                if "add" in action:
                    files[action["add"]["path"]] = None
                elif "remove" in action:
                    files.pop(action["remove"]["path"], None)
        return [str(table / path) for path in files]

    def duck_setup(self):
        """The SQL that gives DuckDB the same tables, read from the same files."""
        files = ", ".join(f"'{path}'" for path in self.live_files())
        source = f"read_parquet([{files}], hive_partitioning = true, union_by_name = true)"
        lines = ["SET TimeZone = 'UTC'", f"CREATE VIEW events AS SELECT * FROM {source}"]
        for name, uid in VIEWS.items():
            lines.append(f"CREATE VIEW {name} AS SELECT * FROM events WHERE class_uid = {uid}")
        lines.append(f"CREATE TABLE indicators AS FROM read_csv('{self.indicators}')")
        return lines


    def duck_sql(self, sql):
        """A question in DuckDB's words. A file leaves out the columns of which it has no value, and a
        column that no file has cannot be named."""
        if self.has_native is None:
            said = "SELECT 1 FROM (DESCRIBE events) WHERE column_name = 'native'"
            text = ";\n".join([*self.duck_setup()[:-1], said])
            told = run([VENV / "bin" / "duckdb", "-json", "-c", text])[1]
            self.has_native = bool(rows_of(told))
        return sql if self.has_native else sql.replace("coalesce(native, raw_data)", "raw_data")


class Process:
    """Whole commands: ours, and DuckDB's own terminal."""

    def __init__(self, lake):
        self.lake = lake
        self.setup = lake.duck_setup()

    def ours(self, sql):
        command = [TARGET / "release" / "watchfloor", "--json", "query", sql]
        command += ["--data", self.lake.data]
        if "indicators" in sql:
            command += ["--table", f"indicators={self.lake.indicators}"]
        return run(command)

    def duck(self, sql):
        setup = self.setup if "indicators" in sql else self.setup[:-1]
        text = ";\n".join([*setup, self.lake.duck_sql(sql)])
        return run([VENV / "bin" / "duckdb", "-json", "-c", text])


class Engine:
    """Both engines, open."""

    def __init__(self, lake):
        self.lake = lake
        import duckdb  # After `prepare` has made it importable.

        self.version = duckdb.__version__
        self.duckdb = duckdb.connect()
        self.duckdb.execute("SET parquet_metadata_cache = true")
        for line in lake.duck_setup():
            self.duckdb.execute(line)
        ask = [TARGET / "release" / "examples" / "ask", lake.data]
        ask.append(f"indicators={lake.indicators}")
        pipe = subprocess.PIPE
        self.asker = subprocess.Popen(list(map(str, ask)), stdin=pipe, stdout=pipe, text=True)

    def ours(self, sql):
        self.asker.stdin.write(json.dumps({"sql": sql}) + "\n")
        self.asker.stdin.flush()
        return json.loads(self.asker.stdout.readline())["seconds"]

    def duck(self, sql):
        sql = self.lake.duck_sql(sql)
        began = time.perf_counter()
        self.duckdb.execute(sql).fetchall()
        return time.perf_counter() - began

    def close(self):
        self.asker.stdin.close()
        self.asker.wait()


def run(command):
    """Runs a command; gives its seconds and what it printed."""
    began = time.perf_counter()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed: {done.stderr}")
    return seconds, done.stdout


def rows_of(text):
    """Rows of JSON, one a line or in an array, in one spelling: no nulls, instants as numbers."""
    text = text.strip()
    if text.startswith("["):
        rows = json.loads(text)
    else:
        rows = [json.loads(line) for line in text.splitlines()]
    return [{k: plain(v) for k, v in row.items() if v is not None} for row in rows]


def plain(value):
    looks = isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d[ T][\d:.]+(Z|\+00)?", value)
    if not looks:
        return value
    value = value.replace("Z", "").replace("+00", "").replace(" ", "T")
    return datetime.fromisoformat(value).replace(tzinfo=timezone.utc).timestamp()


def compare(process):
    """Ends the run where the two do not say the same."""
    counts = []
    for name, ours, *theirs in QUERIES:
        mine = rows_of(process.ours(ours)[1])
        other = rows_of(process.duck(theirs[0] if theirs else ours)[1])
        if mine != other:
            different = [pair for pair in zip(mine, other) if pair[0] != pair[1]]
            sys.exit(
                f"{name}: the answers differ: {len(mine)} rows and {len(other)},"
                f" first at {different[:1]}"
            )
        counts.append(len(mine))
    return counts


def measure(rounds, engine, process):
    """Seconds of each query: `{kind: {side: [[round, …] for each query]}}`."""
    times = {kind: {side: [[] for _ in QUERIES] for side in ("ours", "duck")}
             for kind in ("engine", "process")}
    for _ in range(rounds):
        for at, (_, ours, *theirs) in enumerate(QUERIES):
            duck = theirs[0] if theirs else ours
            times["engine"]["ours"][at].append(engine.ours(ours))
            times["engine"]["duck"][at].append(engine.duck(duck))
            times["process"]["ours"][at].append(process.ours(ours)[0])
            times["process"]["duck"][at].append(process.duck(duck)[0])
    return times


def tell(times, counts):
    """Prints the medians and the ratios; gives the ratios by kind."""
    print("| query | rows | engine: ours, ms | DuckDB, ms | ratio | process: ours, ms | DuckDB, ms | ratio |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    ratios = {"engine": [], "process": []}
    for at, (name, *_) in enumerate(QUERIES):
        cells = [name, str(counts[at])]
        for kind, sides in times.items():
            ours, duck = (median(sides[side][at]) for side in ("ours", "duck"))
            ratios[kind].append(ours / duck)
            cells += [f"{ours * 1e3:.1f}", f"{duck * 1e3:.1f}", f"{ours / duck:.2f}"]
        print(f"| {' | '.join(cells)} |")
    for kind, each in ratios.items():
        worst = max(range(len(each)), key=each.__getitem__)
        print(f"\n{kind}: geometric mean {geometric_mean(each):.2f} of DuckDB's time"
              f" (bar 1.0), worst {each[worst]:.2f} for {QUERIES[worst][0]} (bar 3.0)")
    return ratios


def sizes(lake):
    """Bytes of the lake's data files against `zstd -3` of the raw lines."""
    stored = sum(Path(path).stat().st_size for path in lake.live_files())
    pipe = subprocess.Popen(["zstd", "-3", "-T0", "-q", "-c", str(lake.raw)], stdout=subprocess.PIPE)
    zstd = sum(len(part) for part in iter(lambda: pipe.stdout.read(1 << 20), b""))
    raw = lake.raw.stat().st_size
    print(f"\nsize: lake {stored:,} bytes, zstd -3 of the raw lines {zstd:,}, raw {raw:,}:"
          f" {stored / zstd:.3f} (bar 1.3)")
    return {"lake": stored, "zstd": zstd, "raw": raw}


def prepare(lake, events):
    """Builds, installs and fills what is missing."""
    if not (VENV / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([VENV / "bin" / "pip", "install", "--quiet", *PEERS], check=True)
    if Path(sys.prefix) != VENV:
        os.execv(VENV / "bin" / "python", [str(VENV / "bin" / "python"), *sys.argv])
    build = ["cargo", "build", "--release", "--workspace", "--locked", "--bins"]
    build += ["--example", "ask", "--example", "fill"]
    subprocess.run(build, cwd=ROOT, check=True)
    if not lake.indicators.exists():
        lake.data.mkdir(parents=True, exist_ok=True)
        fill = [TARGET / "release" / "examples" / "fill", lake.data, str(events)]
        subprocess.run(fill, check=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--events", type=int, default=5_000_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--data", type=Path, help="where the lake is made, and used again")
    given = arguments.parse_args()
    lake = Lake((given.data or TARGET / "bench" / f"lake-{given.events}").resolve())
    prepare(lake, given.events)
    process = Process(lake)
    counts = compare(process)
    engine = Engine(lake)
    measure(1, engine, process)
    times = measure(given.rounds, engine, process)
    engine.close()
    print(f"{given.events:,} events, {len(lake.live_files())} files, {os.cpu_count()} cores,"
          f" medians of {given.rounds}; DuckDB {engine.version}, its terminal:"
          f" {run([VENV / 'bin' / 'duckdb', '--version'])[1].strip()}\n")
    ratios = tell(times, counts)
    found = {"times": times, "ratios": ratios, "sizes": sizes(lake)}
    out = TARGET / "bench" / "query.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1))
    good = all(geometric_mean(each) <= 1 and max(each) <= 3 for each in ratios.values())
    sys.exit(0 if good and found["sizes"]["lake"] <= 1.3 * found["sizes"]["zstd"] else 1)


if __name__ == "__main__":
    main()
