"""Checks: a rendered site and the records behind it in, a list of what is wrong with them out."""

from book_runner.check.accessibility import check_accessibility
from book_runner.check.evidence import check_evidence
from book_runner.check.links import check_site
from book_runner.check.verify import verify_site

__all__ = ["check_accessibility", "check_evidence", "check_site", "verify_site"]
