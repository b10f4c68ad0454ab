"""pySigma as a judge: reads events, says which rules match which, by way of SQLite.

Usage: pysigma.py RULES EVENTS HITS
EVENTS: JSON lines of {"source": [product, category, service], "fields": {name: text}, "text": text}
HITS:   one JSON object: {"hits": [[event number, rule id] ...], "unsupported": [rule id ...]}
"""

import collections
import json
import pathlib
import re
import sqlite3
import sys

from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection


def family(category):
    if category and category.startswith("registry_"):
        return {category, "registry_event"}
    return {category}


def sees(rule, source):
    product, category, service = source
    return (
        rule.product in (None, product or None)
        and rule.service in (None, service or None)
        and (rule.category is None or rule.category in family(category or None))
    )


def regexp(pattern, value):
    try:
        return value is not None and re.search(pattern, str(value)) is not None
    except re.error:
        return False


def main(rules_dir, events_path, hits_path):
    groups = collections.defaultdict(list)
    for number, line in enumerate(open(events_path, encoding="utf-8")):
        event = json.loads(line)
        groups[tuple(event["source"])].append((number, event))
    rules = []
    for path in sorted(pathlib.Path(rules_dir).glob("rules*/**/*.yml")):
        rules.extend(SigmaCollection.from_yaml(path.read_text(encoding="utf-8"), collect_errors=True).rules)
    backend = sqliteBackend()
    backend.table = "logs"
    queries, unsupported = {}, []
    for rule in rules:
        try:
            if rule.errors:
                raise ValueError(rule.errors)
            queries[str(rule.id)] = backend.convert_rule(rule)[0].replace("<TABLE_NAME>", "logs")
        except Exception as error:  # pylint: disable=broad-except
            unsupported.append([str(rule.id), str(error)[:200]])
    hits, wrong = [], set()
    for source, events in groups.items():
        db = sqlite3.connect(":memory:")
        db.create_function("REGEXP", 2, regexp, deterministic=True)
        names = sorted({name for _, event in events for name in event["fields"]})
        known = {name.lower() for name in names}
        columns = ", ".join(f"`{name}` TEXT COLLATE NOCASE" for name in names)
        db.execute(f"CREATE TABLE logs (number INTEGER{', ' if columns else ''}{columns})")
        marks = ", ".join("?" for _ in range(len(names) + 1))
        for number, event in events:
            values = [event["fields"].get(name) for name in names]
            db.execute(f"INSERT INTO logs VALUES ({marks})", [number, *values])
        for rule in rules:
            query = queries.get(str(rule.id))
            if query is None or not sees(rule.logsource, source):
                continue
            query = query.replace("SELECT *", "SELECT number", 1)
            while True:
                try:
                    hits.extend([number, str(rule.id)] for (number,) in db.execute(query))
                    break
                except sqlite3.OperationalError as error:
                    missing = re.match(r"no such column: (.*)", str(error))
                    name = missing and missing.group(1)
                    if not name or name.lower() in known:
                        wrong.add((str(rule.id), str(error)))
                        break
                    known.add(name.lower())
                    db.execute(f"ALTER TABLE logs ADD COLUMN `{name}` TEXT COLLATE NOCASE")
        db.close()
    json.dump({"hits": hits, "unsupported": unsupported + sorted(map(list, wrong))}, open(hits_path, "w"))


main(*sys.argv[1:])
