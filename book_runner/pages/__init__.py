"""The pages, and parts of pages, that the runner writes itself."""

from book_runner.pages.api import api_files
from book_runner.pages.cards import card_files, keep_cards
from book_runner.pages.chapter import banner, colophon, stand_ins
from book_runner.pages.ledger import comparison_table, ledger_page
from book_runner.pages.mistakes import mistakes_page, sections
from book_runner.pages.status import status_page

__all__ = [
    "api_files",
    "banner",
    "card_files",
    "colophon",
    "comparison_table",
    "keep_cards",
    "ledger_page",
    "mistakes_page",
    "sections",
    "stand_ins",
    "status_page",
]
