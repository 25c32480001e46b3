"""The pages, and parts of pages, that the runner writes itself."""

from book_runner.pages.api import api_files
from book_runner.pages.cards import card_files, keep_data_cards, model_cards_page
from book_runner.pages.chapter import agreement, colophon, opening, stand_ins
from book_runner.pages.ledger import ledger_page
from book_runner.pages.mistakes import mistakes_page
from book_runner.pages.status import status_page

__all__ = [
    "agreement",
    "api_files",
    "card_files",
    "colophon",
    "keep_data_cards",
    "ledger_page",
    "mistakes_page",
    "model_cards_page",
    "opening",
    "stand_ins",
    "status_page",
]
