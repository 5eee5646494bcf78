"""The story with the client of openapi-python-client."""

import re
import sys

from client import AuthenticatedClient, Client
from client.api.articles import create_article, delete_article, list_articles, read_article, update_article
from client.api.auth import login, register_user
from client.api.users import read_me
from client.models import ArticleCreate, ArticleUpdate, LoginForm, UserCreate

PASSWORD = "correct horse battery"
anonymous = Client(base_url=sys.argv[1])


def article(title):
    return ArticleCreate(title=title, content="0123456789", published=True)


account = UserCreate(email="ada@example.com", username="ada", password=PASSWORD)
assert register_user.sync(client=anonymous, body=account).username == "ada"
token = login.sync(client=anonymous, body=LoginForm(username="ada", password=PASSWORD)).access_token
client = AuthenticatedClient(base_url=sys.argv[1], token=token)

for title in ["one", "two", "three"]:
    assert create_article.sync(client=client, body=article(title)).title == title
first = list_articles.sync_detailed(client=client, limit=2)
cursor = re.search(r'cursor=([\w-]+)[^>]*>; rel="next"', first.headers["link"])[1]
rest = list_articles.sync(client=client, limit=2, cursor=cursor)
assert [each.title for each in first.parsed + rest] == ["three", "two", "one"]

article_id = first.parsed[0].id
tag = read_article.sync_detailed(article_id, client=client).headers["etag"]
assert read_article.sync_detailed(article_id, client=client, if_none_match=tag).status_code == 304

edited = update_article.sync(article_id, client=client, if_match=tag, body=ArticleUpdate(title="new"))
assert edited.title == "new"
lost = update_article.sync_detailed(article_id, client=client, if_match=tag, body=ArticleUpdate(title="lost"))
assert (lost.status_code, lost.parsed.detail) == (412, "The article has changed")

invalid = create_article.sync_detailed(client=client, body=article(""))
error = invalid.parsed.detail[0]
assert (invalid.status_code, error.type_, error.loc) == (422, "string_too_short", ["body", "title"])
assert error.ctx["min_length"] == 1

assert delete_article.sync_detailed(article_id, client=client).status_code == 204
assert read_article.sync(article_id, client=client).detail == "Article not found"
wrong = AuthenticatedClient(base_url=sys.argv[1], token="wrong")
assert read_me.sync_detailed(client=wrong).status_code == 401
