"""Look at the lock without network: ``python -m tools.supply``."""

import sys

from tools.supply import advisories, licences, lock


def main() -> int:
    locks = {name: lock.read(name) for name in lock.FILES}
    known = advisories.remembered()
    problems = [
        *lock.problems(locks, lock.wanted()),
        *licences.problems(locks["run.txt"].versions),
        *advisories.problems(known, locks),
    ]
    for problem in problems:
        print(problem)
    counted = ", ".join(f"{len(one.versions)} in {one.name}" for one in locks.values())
    print(f"Packages: {counted}; {len(problems)} problems")
    print(f"Advisories: {advisories.standing(known)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
