"""The pages, and parts of pages, that the runner writes itself."""

from book_runner.pages.api import api_files
from book_runner.pages.cards import card_files, keep_data_cards
from book_runner.pages.chapter import agreement, colophon, opening, stand_ins
from book_runner.pages.ledger import comparison_table, ledger_page
from book_runner.pages.mistakes import mistakes_page, sections
from book_runner.pages.model_cards import model_cards_page
from book_runner.pages.status import status_page

__all__ = [
    "agreement",
    "api_files",
    "card_files",
    "colophon",
    "comparison_table",
    "keep_data_cards",
    "ledger_page",
    "mistakes_page",
    "model_cards_page",
    "opening",
    "sections",
    "stand_ins",
    "status_page",
]
