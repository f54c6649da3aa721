"""What takes longer than a notebook may: one module, or package, per chapter, its work cut into independent units.

A module has these functions, the first two or the last or all three, and `fairlib.book.runner` does the rest:

- `units(profile) -> list[dict]`: the keyword arguments of each unit, JSON values all, for the profile `embedded` or
  `paper`. Quick: it is asked whenever a record is read. A unit that both profiles list is run once.
- `run(**arguments) -> dict`: what one unit finds, JSON values again, some tens of kilobytes at most. Under `rows`
  a list of dicts, one per row of a table, which `runner.results` puts together for the chapter. It depends on its
  arguments alone, seeds included: not on the profile, which a worker's environment need not share. It has one thread.
  Where some of what it returns is a measured time, the module names the keys in a set `MEASURED`.
- `estimates() -> dict[str, dict]`: from the records, the fields of `fairlib.book.claims.Estimate` for each quantity
  that the ledger asks of the chapter that the module is named after. FileNotFoundError where records are missing.

What several of them share is in `shared`, which has none of these functions and so is no chapter.
"""
