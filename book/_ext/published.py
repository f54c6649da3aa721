"""What a published page carries: version and date, its address, what a link to it shows, ways to the source."""

import re
import subprocess
import tomllib
from datetime import date
from html import escape, unescape
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

try:
    import cards
except ModuleNotFoundError:  # when the tests import it
    from book._ext import cards

# The buttons of a page, each a link into the repository.
BUTTONS = dict.fromkeys(("use_repository_button", "use_edit_page_button", "use_issues_button"), True)
LAUNCH = {
    "colab_url": "https://colab.research.google.com",
    "binderhub_url": "https://mybinder.org",
    "notebook_interface": "jupyterlab",
}
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"


def project(root: Path) -> dict:
    """What pyproject.toml says."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def address(book: dict) -> str:
    """Where the site is, with a slash at the end: `site`, else GitHub's Pages of the repository, else "".

    book: the table `[tool.book]` of pyproject.toml.
    """
    if book.get("site"):
        return book["site"].rstrip("/") + "/"
    github = re.fullmatch(r"https://github\.com/([^/]+)/([^/]+?)(?:\.git)?/?", book["repository"])
    if not github:
        return ""
    host, name = f"{github[1].lower()}.github.io", github[2]
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def committed(root: Path) -> dict[str, str]:
    """The day of each file's last commit, by its path; nothing outside a checkout or where git is missing."""
    command = ["git", "-c", "core.quotepath=off", "log", "--no-renames", "--format=/%cs", "--name-only"]
    try:
        log = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    found, day = {}, ""
    for line in log.splitlines():  # the newest commit first
        if line.startswith("/"):
            day = line[1:]
        elif line:
            found.setdefault(line, day)
    return found


def changed(sources: list[Path], root: Path, days: dict[str, str]) -> str:
    """The day on which a page last changed: of the last commit of its files, else of the files themselves."""
    named = [days.get(path.relative_to(root).as_posix()) for path in sources]
    return max(
        day or date.fromtimestamp(path.stat().st_mtime).isoformat() for day, path in zip(named, sources, strict=True)
    )


def sources(page: Path) -> list[Path]:
    """The files of a page: itself, and the other side where it is a notebook."""
    return [path for path in (page, page.with_suffix(".md")) if path.exists()]


def lives(app: Sphinx, config: Config) -> None:
    """Address, repository and launch buttons, where pyproject.toml says where the book lives."""
    book = project(Path(app.srcdir))["tool"]["book"]
    config.html_baseurl = address(book)
    if book["repository"]:
        config.html_theme_options.update(  # in place: a new dictionary loses every launch button
            repository_url=book["repository"], repository_branch=book["branch"], launch_buttons=LAUNCH, **BUTTONS
        )


def dated(app: Sphinx) -> None:
    app.env.days = committed(Path(app.srcdir))


def foot(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """The day of the page's last change and the book's version, with the way to what changed and what was wrong."""
    if not doctree:
        return
    root = Path(app.srcdir)
    context["last_updated"] = changed(sources(Path(app.env.doc2path(pagename))), root, app.env.days)
    links = ", ".join(
        f'<a href="{context["pathto"](page)}">{words}</a>'
        for page, words in {"book/changelog": "what changed", "book/errata": "errata"}.items()
        if page in app.env.found_docs
    )
    context["theme_extra_footer"] = f"Version {project(root)['project']['version']}" + (f": {links}" if links else "")


def card(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """What a link to the page shows elsewhere, where the site has an address: title, description and picture."""
    config = app.config
    if not (doctree and config.html_baseurl and app.builder.name == "html"):
        return
    title = unescape(re.sub(r"<.*?>", "", context["title"]))
    [description] = re.findall(r'<meta name="description" content="(.*?)" />', context["metatags"])[:1] or [""]
    picture = f"_images/cards/{pagename.replace('/', '-')}.png"
    cards.draw(title, config.html_title, Path(app.outdir) / picture)
    told = {
        "og:type": "article", "og:site_name": config.html_title, "og:title": title,
        "og:url": config.html_baseurl + app.builder.get_target_uri(pagename),
        "og:image": config.html_baseurl + picture, "og:image:width": cards.WIDTH, "og:image:height": cards.HEIGHT,
        "og:image:alt": f"{config.html_title}: {title}",
    }  # fmt: skip
    tags = [f'<meta property="{name}" content="{escape(str(text))}" />' for name, text in told.items()]
    tags += [f'<meta property="og:description" content="{description}" />'] if description else []
    context["metatags"] += "".join([*tags, '<meta name="twitter:card" content="summary_large_image" />'])


def editable(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """A chapter is edited in the .md of its pair."""
    groups = [group.get("buttons", []) for group in context.get("header_buttons", [])]
    for button in (button for group in groups for button in group):
        if button.get("label") == "source-edit-button":
            button["url"] = re.sub(r"\.ipynb$", ".md", button["url"])


def sitemap(app: Sphinx, exception: Exception | None) -> None:
    """`sitemap.xml`: the address of each page, and when it last changed."""
    if exception or not app.config.html_baseurl or app.builder.name != "html":
        return
    root = Path(app.srcdir)
    pages = ElementTree.Element("urlset", xmlns=SITEMAP)
    for page in sorted(app.env.found_docs):
        entry = ElementTree.SubElement(pages, "url")
        ElementTree.SubElement(entry, "loc").text = app.config.html_baseurl + app.builder.get_target_uri(page)
        day = changed(sources(Path(app.env.doc2path(page))), root, app.env.days)
        ElementTree.SubElement(entry, "lastmod").text = day
    ElementTree.ElementTree(pages).write(Path(app.outdir) / "sitemap.xml", encoding="utf-8", xml_declaration=True)
    robots = f"User-agent: *\nAllow: /\nSitemap: {app.config.html_baseurl}sitemap.xml\n"
    (Path(app.outdir) / "robots.txt").write_text(robots, encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", lives)
    app.connect("builder-inited", dated)
    app.connect("html-page-context", foot, priority=600)
    app.connect("html-page-context", card, priority=700)  # after `house` has described the page
    app.connect("html-page-context", editable, priority=900)  # after the theme has made its buttons
    app.connect("build-finished", sitemap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
