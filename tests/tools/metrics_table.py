#!/usr/bin/env python3
"""Writes the table of docs/metrics.md from a scrape: curl -s http://127.0.0.1:9090/metrics | metrics_table.py"""

import re
import sys

scrape = sys.stdin.read()
helps = dict(re.findall(r"^# HELP (\S+) (.*)$", scrape, re.M))
kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", scrape, re.M))
labels = {name: [] for name in kinds}
for name, body in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", scrape, re.M):
    family = name if name in kinds else re.sub(r"_(bucket|sum|count)$", "", name)
    for label in re.findall(r'(\w+)="', body):
        if label != "le" and label not in labels[family]:
            labels[family].append(label)
print("| family | type | labels | meaning |\n|---|---|---|---|")
for name, kind in kinds.items():
    print(f"| `{name}` | {kind} | {', '.join(labels[name])} | {helps.get(name, '')} |")
