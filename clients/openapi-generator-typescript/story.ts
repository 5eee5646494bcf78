// The story with openapi-generator's client for TypeScript (typescript-fetch).
import { deepStrictEqual as equal } from "node:assert";
import { ArticlesApi, AuthApi, Configuration, ResponseError, UsersApi } from "./client";

/** The response to a request that the client reports as an error. */
async function refused(request: Promise<unknown>): Promise<Response> {
  try {
    await request;
  } catch (error) {
    if (error instanceof ResponseError) return error.response;
    throw error;
  }
  throw new Error("the request succeeded");
}

async function main() {
  const basePath = process.argv[2];
  const anonymous = new Configuration({ basePath });
  const auth = new AuthApi(anonymous);
  const article = (title: string) => ({ title, content: "0123456789", published: true });

  const account = { email: "ada@example.com", username: "ada", password: "correct horse battery" };
  equal((await auth.registerUser({ userCreate: account })).username, "ada");
  const login = await auth.login({ username: "ada", password: account.password });
  // The generator leaves the scheme of an OAuth 2.0 token to its user.
  const accessToken = `Bearer ${login.accessToken}`;
  const articles = new ArticlesApi(new Configuration({ basePath, accessToken }));

  for (const title of ["one", "two", "three"]) {
    equal((await articles.createArticle({ articleCreate: article(title) })).title, title);
  }
  const first = await articles.listArticlesRaw({ limit: 2 });
  const cursor = /cursor=([\w-]+)[^>]*>; rel="next"/.exec(first.raw.headers.get("link")!)![1];
  const rest = await articles.listArticles({ limit: 2, cursor });
  const [newest, ...others] = await first.value();
  equal([newest, ...others, ...rest].map((each) => each.title), ["three", "two", "one"]);
  equal(newest.createdAt instanceof Date, true);

  const articleId = newest.id;
  const tag = (await articles.readArticleRaw({ articleId })).raw.headers.get("etag")!;
  equal((await refused(articles.readArticle({ articleId, ifNoneMatch: tag }))).status, 304);

  const edit = { articleId, ifMatch: tag };
  equal((await articles.updateArticle({ ...edit, articleUpdate: { title: "new" } })).title, "new");
  const lost = await refused(articles.updateArticle({ ...edit, articleUpdate: { title: "lost" } }));
  equal([lost.status, await lost.json()], [412, { detail: "The article has changed" }]);

  const invalid = await refused(articles.createArticle({ articleCreate: article("") }));
  const [error] = (await invalid.json()).detail;
  equal([invalid.status, error.type, error.loc], [422, "string_too_short", ["body", "title"]]);

  await articles.deleteArticle({ articleId });
  equal((await refused(articles.readArticle({ articleId }))).status, 404);
  equal((await refused(new UsersApi(anonymous).readMe())).status, 401);
}

main();
