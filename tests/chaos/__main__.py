"""Run it (`make chaos`): print a table, write JSON, and say by the exit code whether all is well."""

import argparse
import random
import signal
import sys
from pathlib import Path

from tests.chaos.run import Options, run
from tests.servers import ServerError


def main() -> int:
    arguments = parse_arguments()
    options = Options(arguments.seconds, arguments.requests, arguments.seed, arguments.apart)
    print(
        f"{options.requests} requests in {options.seconds:.0f} s, seed {options.seed} ...",
        flush=True,
    )
    try:
        report = run(options)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130
    print(report.table())
    if arguments.json:
        arguments.json.write_text(report.as_json() + "\n", "utf-8")
    print("\nEvery promise was kept." if report.good else "\nA promise was broken.")
    return 0 if report.good else 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="how long faults are made")
    parser.add_argument("--requests", type=int, default=3000, help="how many are submitted")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the plan")
    parser.add_argument(
        "--apart", action="store_true", help="let each fault be over before the next one"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args()


if __name__ == "__main__":
    # A plain `kill` cleans up as Ctrl-C does.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
