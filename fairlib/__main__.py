"""`python -m fairlib`: the book's tools for the terminal."""

import argparse
import os
import sys
import traceback

FAULT = 70  # as sysexits.h has it for an error inside the software


def _claims(arguments: argparse.Namespace) -> tuple[str, int]:
    from fairlib.book import claims

    verdict = arguments.verdict and arguments.verdict.replace("-", " ")
    frame = claims.ledger(arguments.paper, verdict, arguments.chapter)
    return (claims.as_json(frame) if arguments.json else claims.as_text(frame)), 0


def parser() -> argparse.ArgumentParser:
    """The command line; each command's function takes the arguments and returns what to print, and the exit status."""
    from fairlib import audit  # not above: a package that is missing or broken would end with status 1
    from fairlib.book import claims  # not above: a package that is missing or broken would end with status 1

    top = argparse.ArgumentParser(prog="python -m fairlib", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    ledger = commands.add_parser("claims", help="every claim of both papers with its computed verdict")
    ledger.add_argument("--paper", choices=claims.PAPERS, type=str.lower)
    verdicts = [v.replace(" ", "-") for v in claims.VERDICTS]
    ledger.add_argument("--verdict", choices=verdicts, type=lambda v: v.lower().replace(" ", "-"))
    ledger.add_argument("--chapter", choices=claims.CHAPTERS, type=str.lower, help="the page that settles the claims")
    ledger.add_argument("--json", action="store_true", help="print a JSON list, one object per claim")
    ledger.set_defaults(run=_claims)
    tool = commands.add_parser("audit", help="is a model as accurate on images from poor countries as from rich ones?")
    audit.add_arguments(tool)
    tool.set_defaults(run=audit.run)
    return top


def main() -> int:
    """Run one command: its exit status. Bad input and a file that cannot be had end with their message and 2, an
    interruption with 130, a fault in the program with `FAULT`: 1 is the word of an audit whose condition is met."""
    said = "python -m fairlib"
    try:
        line = parser()  # here `fairlib` is imported
    except BaseException as error:
        return _ended(error, said)
    arguments = line.parse_args()
    said = f"{said} {arguments.command}"
    try:
        sys.stdout.reconfigure(errors="replace")  # not every terminal has a minus sign
        text, status = arguments.run(arguments)
    except (ValueError, OSError) as error:
        print(f"{said}: {error}", file=sys.stderr)
        return 2
    except BaseException as error:
        return _ended(error, said)
    try:
        print(text, flush=True)
    except OSError as error:  # `| head` has seen enough, or the disk is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"{said}: {error}", file=sys.stderr)
            return 2
    return status


def _ended(error: BaseException, said: str) -> int:
    if isinstance(error, KeyboardInterrupt):
        print(f"\n{said}: interrupted", file=sys.stderr)
        return 130
    traceback.print_exception(error)
    print(f"{said}: this is a fault in the program, not in your input; please report it", file=sys.stderr)
    return FAULT


if __name__ == "__main__":
    sys.exit(main())
