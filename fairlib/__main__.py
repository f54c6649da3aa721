"""The book's tools for the terminal: `python -m fairlib`, or `fairness-book` where the package is installed."""

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from fairlib import audit
from fairlib.book.terms import CHAPTERS, KINDS, PAPERS, VERDICTS

FAULT = 70  # as sysexits.h has it for an error inside the software

Run = Callable[[argparse.Namespace], tuple[str, int]]  # the arguments -> what to print, and the exit status


def _claims() -> Run:
    """The command `claims`; what it needs is imported here."""
    from fairlib.book import claims

    def run(arguments: argparse.Namespace) -> tuple[str, int]:
        verdict, kind = (name and name.replace("-", " ") for name in (arguments.verdict, arguments.kind))
        frame = claims.ledger(arguments.paper, verdict, arguments.chapter, kind)
        return (claims.as_json(frame) if arguments.json else claims.as_text(frame)), 0

    return run


def _fetch() -> Run:
    """The command `fetch`; what it needs is imported here."""
    from fairlib.book import fetch

    return fetch.run


def _observers() -> Run:
    """The command `observers`; what it needs is imported here."""
    from fairlib.book import observers

    return observers.run


def _audit() -> Run:
    """The command `audit`; what it needs is imported here."""
    return audit.run


def _audit_report() -> Run:
    """The command `audit report`; what it needs is imported here."""
    return audit.run_report


def _audit_manifest() -> Run:
    """The command `audit manifest`; what it needs is imported here."""
    return audit.run_manifest


def _audit_sample() -> Run:
    """The command `audit sample`; what it needs is imported here."""
    return audit.run_sample


def _audit_compare() -> Run:
    """The command `audit compare`; what it needs is imported here."""
    return audit.run_compare


def parser(program: str = "python -m fairlib") -> argparse.ArgumentParser:
    """The command line, for which nothing large is imported.

    Parameters
    ----------
    program : str
        What the program is called in usage lines and messages.

    Returns
    -------
    argparse.ArgumentParser
        Its results have `load`, which imports what the command needs and returns the function that runs it.
    """
    top = argparse.ArgumentParser(prog=program, description="The book's tools for the terminal.")
    commands = top.add_subparsers(dest="command", required=True)
    ledger = commands.add_parser("claims", help="every claim of both papers with its computed verdict")
    ledger.add_argument("--paper", choices=PAPERS, type=str.lower)
    for name, allowed in (("verdict", VERDICTS), ("kind", KINDS)):
        words = [word.replace(" ", "-") for word in allowed]
        ledger.add_argument(f"--{name}", choices=words, type=lambda text: text.lower().replace(" ", "-"))
    ledger.add_argument("--chapter", choices=CHAPTERS, type=str.lower, help="the page that settles the claims")
    ledger.add_argument("--json", action="store_true", help="print a JSON list, one object per claim")
    ledger.set_defaults(load=_claims)
    fetch = commands.add_parser("fetch", help="the weights of PieAPP and ResNet-50, which no package carries: 360 MB")
    fetch.set_defaults(load=_fetch)
    seen = commands.add_parser("observers", help="what people saw in the lab `Can you see it?`, pooled from its files")
    seen.add_argument("files", nargs="+", type=Path, help="files that the lab saved, one per block")
    seen.set_defaults(load=_observers)
    tool = commands.add_parser("audit", help="is a model as accurate on images from poor countries as from rich ones?")
    audit.add_arguments(tool)
    tool.set_defaults(load=_audit)
    for name, add, load, words in (
        ("report", audit.add_report_arguments, _audit_report, "make the report of an audit's shards"),
        ("manifest", audit.add_manifest_arguments, _audit_manifest, "write the manifest of a set on a disk"),
        ("compare", audit.add_compare_arguments, _audit_compare, "compare two audited models image by image"),
        ("sample", audit.add_sample_arguments, _audit_sample, "write a small set with a known truth, to try it on"),
    ):
        tool = commands.add_parser(f"audit-{name}", prog=f"{program} audit {name}", help=words)
        add(tool)
        tool.set_defaults(load=load)
    return top


def verb(arguments: list[str]) -> list[str]:
    """Read the two words of a command such as `audit report` as one.

    Parameters
    ----------
    arguments : list of str
        As typed.

    Returns
    -------
    list of str
        With `audit-report` in front where these were the first two; a manifest of that name is given as `./report`.
    """
    if len(arguments) > 1 and arguments[0] == "audit" and arguments[1] in ("report", "manifest", "compare", "sample"):
        return ["-".join(arguments[:2]), *arguments[2:]]
    return arguments


def main() -> int:
    """Run one command.

    Returns
    -------
    int
        Its exit status. Bad input, and a file that cannot be had, end with their message and 2; an interruption with
        130; a fault in the program, or in a package that it imports, with `FAULT`. 1 is the word of an audit whose
        condition is met, and of nothing else; 3 of one that has too few images to say.
    """
    called = Path(sys.argv[0]).name
    program = "python -m fairlib" if called == "__main__.py" else called.removesuffix(".exe")
    arguments = parser(program).parse_args(verb(sys.argv[1:]))
    program = f"{program} {arguments.command.replace('-', ' ')}"
    try:
        run = arguments.load()  # not below: a package that is broken may raise ValueError as well
    except BaseException as error:
        return _ended(error, program)
    try:
        sys.stdout.reconfigure(errors="replace")  # not every terminal has a minus sign
        text, status = run(arguments)
    except (ValueError, OSError) as error:
        print(f"{program}: {error}{_mend(error)}", file=sys.stderr)
        return 2
    except BaseException as error:
        return _ended(error, program)
    try:
        print(text, flush=True)
    except OSError as error:  # `| head` has seen enough, or the disk is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"{program}: {error}", file=sys.stderr)
            return 2
    return status


def _mend(error: Exception) -> str:
    """What helps where the system does not say so itself."""
    if getattr(error, "errno", None) in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return "; the disk is full: make room, and give the same command again"
    return ""


def _ended(error: BaseException, program: str) -> int:
    """Say how a command ended that did not end by itself: the exit status."""
    if isinstance(error, KeyboardInterrupt):
        print(f"\n{program}: interrupted", file=sys.stderr)
        return 130
    traceback.print_exception(error)
    print(f"{program}: this is a fault in the program, not in your input; please report it", file=sys.stderr)
    return FAULT


if __name__ == "__main__":
    sys.exit(main())
