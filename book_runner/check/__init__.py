"""Checks: a rendered site and the records behind it in, a list of what is wrong with them out."""

from book_runner.check.accessibility import check_accessibility
from book_runner.check.evidence import check_evidence, failed_findings, other_numbers, typed_numbers
from book_runner.check.links import check_external, check_links, check_outputs, check_pages, check_site, check_weight
from book_runner.check.verify import verify_site

__all__ = [
    "check_accessibility",
    "check_evidence",
    "check_external",
    "check_links",
    "check_outputs",
    "check_pages",
    "check_site",
    "check_weight",
    "failed_findings",
    "other_numbers",
    "typed_numbers",
    "verify_site",
]
