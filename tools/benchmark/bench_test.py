"""Tests of the driver: numbers, verdicts, the page, the plots; and one real run against the relay.

    python3 tools/benchmark/bench_test.py [midge-load]
"""

import re
import sys
import unittest
import xml.dom.minidom
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmark import plot, report, runner, scaling, scenarios, servers, stats  # noqa: E402

LOAD = None  # the midge-load executable, from the command line


class Numbers(unittest.TestCase):
    def test_numbers_keep_three_digits(self):
        pairs = {0: "0", 0.0123456: "0.0123", 0.21: "0.21", 1.005: "1", 5.5: "5.5", 16.04: "16", 320.4: "320", 1177: "1,177"}
        self.assertEqual({v: stats.number(v) for v in pairs}, pairs)

    def test_ratios_read_as_fractions(self):
        self.assertEqual([stats.ratio_text(r) for r in (0.25, 1 / 5.5, 1, 1.3)], ["1/4", "1/5.5", "1", "1.3"])

    def test_a_verdict_is_the_best_target_reached(self):
        floor, goal = stats.ratio_of(4), stats.ratio_of(6)
        self.assertEqual([stats.verdict(v, 1.2, floor, goal) for v in (0.19, 0.25, 0.3, 0.31)], ["goal", "floor", "floor", "miss"])
        self.assertEqual(stats.verdict(100, None, stats.limit_of(150), stats.limit_of(96)), "floor")
        self.assertEqual(stats.verdict(100, None, floor, goal), "")  # nothing to compare with

    def test_paired_ratios_take_the_better_of_the_round(self):
        self.assertEqual(stats.paired_ratios({0: 1, 1: 2, 2: 9}, [{0: 4, 1: 8}, {0: 2, 1: 16}]), [0.5, 0.25])


def record(label_values, **plan):
    """A record as runner.py saves it; label_values: {label: [cpu us of round 0, 1, ...]}; None = failed."""
    runs = []
    for label, values in label_values.items():
        for rnd, us in enumerate(values):
            outcome = {"error": "boom"} if us is None else {"result": {"segments": [{"delivered": 1000, "published": 1000, "wall_ns": 10**9,
                       "cpu_ns": us * 10**6, "own_cpu_ns": 10**6, "threads": [{"name": "x", "cpu_ns": us * 10**6}]}]}}
            runs.append({"round": rnd, "label": label, "server": label, **outcome})
    return {"scenario": "pair128", "rate": None, "runs": runs, "load_average_before": 0.1, "steal_ticks": 0,
            "machine": {"cpu": "a cpu", "n_cpus": 2, "virtual": True, "memory_gib": 8, "kernel": "6.1", "python": "3.11"},
            "versions": {"nats": "nats-server: v2.14.5", "commit": "abc", "date": "2026-01-01"},
            "plan": {"quick": False, "rounds": 3, "discard": 1, "server_cores": [0], "load_cores": [1], "n_shards": 1, **plan}}


class Report(unittest.TestCase):
    def test_the_better_nats_sets_the_bar(self):
        rec = record({"nats": [1.0, 1.2, 1.1], "nats-gmp": [0.8, 0.9, 0.7], "nats-free": [0.1, 0.1, 0.1], "midge": [0.2, 0.2, 0.2]})
        metric = scenarios.BY_NAME["pair128"].metrics[0]
        self.assertAlmostEqual(report.best_nats(rec, metric), 0.8)
        self.assertEqual(report.ratio_cell(rec, metric, "midge"), "1/4 (1/4.5..1/3.5)")

    def test_a_failed_round_is_counted_and_shown(self):
        rec = record({"nats": [1.0, None, 1.1]})
        self.assertIn("1 failed", report.cell(rec, scenarios.BY_NAME["pair128"].metrics[0], "nats"))

    def test_only_what_is_between_the_markers_is_replaced(self):
        page = f"# Mine\n{report.BEGIN}\nold\n{report.END}\nmine too\n"
        new = report.replaced(page, "new")
        self.assertEqual(new, f"# Mine\n{report.BEGIN}\n\nnew\n\n{report.END}\nmine too\n")
        self.assertEqual(report.replaced(new, "new"), new)
        with self.assertRaises(servers.BenchError):
            report.replaced("no markers", "new")

    def test_a_missed_floor_is_said(self):
        lines = "\n".join(report.main_table({"pair128": record({"nats": [1.0], "midge": [0.9]})}, True))
        self.assertIn("**missed**", lines)
        lines = "\n".join(report.main_table({"pair128": record({"nats": [1.0], "midge": [0.2]})}, True))
        self.assertIn("goal reached", lines)


class Plots(unittest.TestCase):
    def test_every_plot_is_well_formed(self):
        bar = plot.Bar("midge", 0.3, 0.2, 0.4, "0.3 us <&>")
        for text in (plot.bars("t", "n", [plot.Row("a & b", [bar], 0.5, 0.25)], {}, 1.0), plot.lines("t", "n", {"midge": [(1, 2.0), (2, 3.5)]}, {}, "x", [(1, 2), (2, 4)]),
                     plot.ranges("t", "n", [("50 %", [("midge", [3.0, 40.0, 900.0])])], {}, "us")):
            self.assertEqual(xml.dom.minidom.parseString(text).documentElement.tagName, "svg")


class Table(unittest.TestCase):
    def test_the_generator_knows_every_option_of_every_scenario(self):
        source = Path(__file__).with_name("load_main.c").read_text(encoding="utf-8")
        known = set(re.findall(r'X\("([a-z-]+)"', source))
        runs = set(re.findall(r'\{"([a-z]+)", load_', source))
        for s in (*scenarios.SCENARIOS, *scenarios.SCALING):
            used = [a for c in (s.load, *(c.load_args for c in s.contenders)) for a in c if a.startswith("--")]
            self.assertEqual([u for u in used if u[2:] not in known], [], s.name)
            self.assertIn(s.load[0], runs)

    def test_scaling_keeps_the_load_off_the_server_while_it_can(self):
        cores = list(range(16))
        found = scaling.layouts([1, 8, 16], cores)
        self.assertEqual(found[8], (cores[:8], cores[8:], False))
        self.assertEqual(found[1][1], cores[8:])
        self.assertEqual(found[16], (cores, cores, True))

    def test_core_lists_are_read_and_written(self):
        self.assertEqual(servers.parse_cores("0,2-4"), [0, 2, 3, 4])


class Live(unittest.TestCase):
    def test_the_generator_counts_exactly_against_the_relay(self):
        if LOAD is None:
            self.skipTest("no midge-load on the command line")
        servers.allow_files()
        cores = runner._all_cores()
        plan = runner.Plan(("relay",), cores[:1], cores[-1:], 1, 1, 0, 0.1, 0, True)
        programs = servers.Programs(load=LOAD)
        for name in ("pub16", "pair128", "four", "queue8"):
            outcome = runner.run_once(programs, plan, scenarios.BY_NAME[name], scenarios.Contender("relay", "relay"))
            self.assertNotIn("error", outcome)
            (segment,) = outcome["result"]["segments"]
            self.assertGreater(segment["published"], 0)
            copies = {"pub16": 0, "four": 4}.get(name, 1)
            self.assertEqual(segment["delivered"], segment["published"] * copies)
            self.assertGreater(segment["cpu_ns"], 0)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        LOAD = sys.argv.pop()
    unittest.main()
