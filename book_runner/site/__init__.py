"""The site: executed notebooks, prose and records in, static pages out; and the book's public address."""

from book_runner.site.archive import zip_site
from book_runner.site.downloads import offer_downloads
from book_runner.site.lightening import lighten_site
from book_runner.site.rendering import build_site, rendered_profile, unshown_references
from book_runner.site.repository import public_address, set_repository
from book_runner.site.staging import EDITIONS, merge, stage
from book_runner.site.tree import site_pages, toc_pages

__all__ = [
    "EDITIONS",
    "build_site",
    "lighten_site",
    "merge",
    "offer_downloads",
    "public_address",
    "rendered_profile",
    "set_repository",
    "site_pages",
    "stage",
    "toc_pages",
    "unshown_references",
    "zip_site",
]
