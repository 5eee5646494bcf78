"""The story with openapi-generator's client for Python."""

import json
import re
import sys

from client import (
    ApiClient, ApiException, ArticleCreate, ArticlesApi, ArticleUpdate, AuthApi, Configuration, UserCreate, UsersApi,
)

PASSWORD = "correct horse battery"
anonymous = ApiClient(Configuration(host=sys.argv[1]))
auth = AuthApi(anonymous)


def article(title):
    return ArticleCreate(title=title, content="0123456789", published=True)


def refused(request, *arguments, **options):
    """The error with which a request is refused."""
    try:
        request(*arguments, **options)
    except ApiException as error:
        return error
    raise AssertionError("the request succeeded")


account = UserCreate(email="ada@example.com", username="ada", password=PASSWORD)
assert auth.register_user(account).username == "ada"
token = auth.login(username="ada", password=PASSWORD).access_token
articles = ArticlesApi(ApiClient(Configuration(host=sys.argv[1], access_token=token)))

for title in ["one", "two", "three"]:
    assert articles.create_article(article(title)).title == title
first = articles.list_articles_with_http_info(limit=2)
cursor = re.search(r'cursor=([\w-]+)[^>]*>; rel="next"', first.headers["link"])[1]
rest = articles.list_articles(limit=2, cursor=cursor)
assert [each.title for each in first.data + rest] == ["three", "two", "one"]

article_id = first.data[0].id
tag = articles.read_article_with_http_info(article_id).headers["etag"]
assert refused(articles.read_article, article_id, if_none_match=tag).status == 304

edited = articles.update_article(article_id, ArticleUpdate(title="new"), if_match=tag)
assert edited.title == "new"
lost = refused(articles.update_article, article_id, ArticleUpdate(title="lost"), if_match=tag)
assert (lost.status, json.loads(lost.body)["detail"]) == (412, "The article has changed")

# The model checks the length itself.
invalid = refused(articles.create_article, ArticleCreate.model_construct(title="", content="0123456789"))
assert (invalid.status, json.loads(invalid.body)["detail"][0]["type"]) == (422, "string_too_short")

assert articles.delete_article_with_http_info(article_id).status_code == 204
assert refused(articles.read_article, article_id).status == 404
assert refused(UsersApi(anonymous).read_me).status == 401
