"""Writes articles with hostile texts to a new server and checks its feeds, its sitemap and its robots.txt.

The schemas are RELAX NG in its compact syntax, written from RFC 4287, the specification of RSS 2.0 with the modules
`content` and Dublin Core, and sitemaps.org. They are stricter: they admit only what the server writes.
"""

import json
import random
import re
import sys
import unicodedata
import urllib.request
from email.utils import parsedate_to_datetime

import feedparser
from lxml import etree

SERVER = sys.argv[1]
SIZE = 20

ATOM = r"""
default namespace = "http://www.w3.org/2005/Atom"
date = xsd:dateTime { pattern = ".*(Z|[+\-]\d\d:\d\d)" }
uri = xsd:anyURI { pattern = "\S+" }
start = element feed {
    element title { text } & element id { uri } & element updated { date }
    & element link { attribute href { uri }, attribute rel { "self" | "alternate" } }*
    & entry*
}
entry = element entry {
    element title { text } & element id { xsd:anyURI { pattern = "tag:\S+" } } & element updated { date }
    & element published { date } & element author { element name { xsd:string { minLength = "1" } } }
    & element link { attribute href { uri }, attribute rel { "alternate" } }
    & element category { attribute term { text } }*
    & element summary { text } & element content { attribute type { "html" }, text }?
}
"""

RSS = r"""
namespace atom = "http://www.w3.org/2005/Atom"
namespace content = "http://purl.org/rss/1.0/modules/content/"
namespace dc = "http://purl.org/dc/elements/1.1/"
date = xsd:string { pattern = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000" }
uri = xsd:anyURI { pattern = "https?://\S+" }
start = element rss { attribute version { "2.0" }, element channel {
    element title { text } & element link { uri } & element description { text } & element lastBuildDate { date }
    & element atom:link { attribute href { uri } & attribute rel { "self" } & attribute type { "application/rss+xml" } }
    & item*
} }
item = element item {
    element title { text } & element link { uri } & element description { text } & element pubDate { date }
    & element guid { attribute isPermaLink { "false" }, xsd:anyURI { pattern = "tag:\S+" } }
    & element dc:creator { text } & element category { text }* & element content:encoded { text }?
}
"""

SITEMAP = r"""
default namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
start = element urlset { element url {
    element loc { xsd:anyURI { pattern = "https?://\S+" maxLength = "2048" } } & element lastmod { xsd:dateTime }?
}+ }
"""


def request(method, path, body=None, token=None, form=False):
    """The headers and the body of a successful response."""
    headers = {"Content-Type": "application/x-www-form-urlencoded" if form else "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = body.encode() if form else json.dumps(body).encode() if body is not None else None
    call = urllib.request.Request(SERVER + path, data, headers, method=method)
    with urllib.request.urlopen(call) as response:
        return response.headers, response.read()


def expect(condition, message):
    if not condition:
        sys.exit(f"feeds: {message}")


def hostile_titles():
    """All of Unicode except U+0000 and surrogates, shuffled, and markup."""
    characters = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code <= 0xDFFF]
    seed = random.Random(4287)
    seed.shuffle(characters)
    # Control characters and non-characters first: all titles would be thousands of articles.
    special = [c for c in characters if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Zs") or ord(c) & 0xFFFE == 0xFFFE]
    chosen = special + characters[:3000]
    titles = ["".join(chosen[start : start + 200]) for start in range(0, len(chosen), 200)]
    return titles + [
        "]]>", "<![CDATA[a]]>", "&amp;", "&#0;", "&#x1F;", "&nbsp;", "<script>alert(1)</script>", "<!-- a --", "a\tb\nc\rd",
        "\u2028\u2029", "\ufeffa", "\x01", "\x0b\x0c", "\ufffe\uffff", "e\u0301", "\U0001F469\u200d\U0001F680", "\u202eabc", "a" * 200,
    ]


def readable(text):
    """The text without the characters that XML 1.0 forbids, with the line ends and blanks of a reader."""
    text = re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)
    return re.sub("[ \t\n\r]+", " ", text).strip()


def checked(path, schema):
    """The document, which is valid."""
    headers, body = request("GET", path)
    document = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))
    grammar = etree.RelaxNG.from_rnc_string(schema)
    expect(grammar.validate(document), f"{path}: {grammar.error_log}")
    expect("xml" in headers["content-type"], f"{path} is {headers['content-type']}")
    return headers, body, document


def check_conditional(path, headers):
    expect(headers["etag"], f"{path} has no entity tag")
    if "sitemap" not in path:
        parsedate_to_datetime(headers["last-modified"])
    call = urllib.request.Request(SERVER + path, headers={"If-None-Match": headers["etag"]})
    try:
        urllib.request.urlopen(call)
        expect(False, f"{path} is sent again")
    except urllib.error.HTTPError as error:
        expect(error.code == 304, f"{path} is {error.code}")


def check_feed(path, schema, expected, version):
    headers, body, document = checked(path, schema)
    check_conditional(path, headers)
    feed = feedparser.parse(body, response_headers={"content-type": headers["content-type"]})
    expect(not feed.bozo, f"{path}: {feed.get('bozo_exception')}")
    expect(feed.version == version, f"{path} is {feed.version}")
    expect(feed.feed.title == "Zo\xeb & <Friends>", f"{path} has the title {feed.feed.title}")
    expect(any(link.rel == "self" and link.href == SERVER + path for link in feed.feed.links), f"{path} does not name itself")
    titles = [entry.get("title", "") for entry in feed.entries]
    if version == "rss20":
        # Titles of RSS are text, but feedparser takes those that look like HTML for HTML.
        titles = [title.text or "" for title in document.iterfind("channel/item/title")]
    titles = [readable(title) for title in titles]
    expect(titles == expected, f"{path}: {titles} instead of {expected}")
    ids = [entry.id for entry in feed.entries]
    expect(len(set(ids)) == len(ids) and all(id.startswith("tag:127.0.0.1,") for id in ids), f"{path}: {ids}")
    times = [entry.published_parsed for entry in feed.entries]
    expect(times == sorted(times, reverse=True), f"{path} is not in order")
    for entry in feed.entries:
        expect(entry.link.startswith("https://blog.example/b%C3%BCcher/") and "?a=b&c=d" in entry.link, entry.link)
        expect([tag.term for tag in entry.tags] == ["R & <D>", "x"], f"{path}: {entry.tags}")
        html = entry.content[0].value
        expect("<strong>text</strong>" in html and "script" not in html, f"{path}: {html}")
        expect(entry.author == "ada", f"{path}: {entry.author}")
    return ids


def main():
    account = {"email": "ada@example.com", "username": "ada", "password": "violet-otter-42-harbour"}
    request("POST", "/auth/register", account)
    _, body = request("POST", "/auth/login", "username=ada&password=violet-otter-42-harbour", form=True)
    token = json.loads(body)["access_token"]
    titles = hostile_titles()
    for title in titles:
        content = f"Some **text** with [a link](/relative) and <script>alert(1)</script>\n\n{title}"
        article = {"title": title, "content": content, "format": "markdown", "tags": ["R & <D>", "x"]}
        request("POST", "/articles/", article | {"published": True}, token)
        # No list may show these.
        request("POST", "/articles/", article | {"title": "secret draft"}, token)
    # Several windows over the articles: the newest ones, then others, which are published again as new ones.
    order = titles
    for start in range(0, len(titles), SIZE):
        window = titles[start : start + SIZE]
        if start:
            for title in window:
                content = f"Some **text**\n\n{title}"
                article = {"title": title, "content": content, "format": "markdown", "tags": ["R & <D>", "x"]}
                request("POST", "/articles/", article | {"published": True}, token)
            order = order + window
        expected = [readable(title) for title in reversed(order[-SIZE:])]
        atom = check_feed("/feeds/atom.xml", ATOM, expected, "atom10")
        rss = check_feed("/feeds/rss.xml", RSS, expected, "rss20")
        headers, body = request("GET", "/feeds/feed.json")
        check_conditional("/feeds/feed.json", headers)
        feed = json.loads(body)
        expect(feed["version"] == "https://jsonfeed.org/version/1.1", feed["version"])
        expect([readable(item["title"]) for item in feed["items"]] == expected, "feed.json has other titles")
        expect(atom == rss == [item["id"] for item in feed["items"]], "the feeds have different ids")
        expect("secret draft" not in body.decode(), "feed.json shows a draft")
    for query, number in [("?author=ada&tag=X", SIZE), ("?author=nobody", 0), ("?tag=y", 0)]:
        for path, schema in [("/feeds/atom.xml", ATOM), ("/feeds/rss.xml", RSS)]:
            feed = feedparser.parse(checked(path + query, schema)[1])
            expect(not feed.bozo and len(feed.entries) == number, f"{path}{query}: {len(feed.entries)}")
    headers, body, document = checked("/sitemap.xml", SITEMAP)
    # The first page of the site is there, too.
    expect(len(document) == len(order) + 1, f"the sitemap has {len(document)} pages, with {len(order)} articles")
    urls = [url.findtext("{*}loc") for url in document]
    expect(len(set(urls)) == len(urls), "the sitemap names a page twice")
    check_conditional("/sitemap.xml", headers)
    _, body = request("GET", "/robots.txt")
    expect(f"Sitemap: {SERVER}/sitemap.xml" in body.decode().splitlines(), body)
    print(f"feeds: {len(order)} articles in three formats and the sitemap")


main()
