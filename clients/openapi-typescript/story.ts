// The story with openapi-typescript's types and openapi-fetch.
import { deepStrictEqual as equal } from "node:assert";
import createClient from "openapi-fetch";
import type { components, paths } from "./client/schema";

type Article = components["schemas"]["ArticleCreate"];

async function main() {
  const api = createClient<paths>({ baseUrl: process.argv[2] });
  const article = (title: string): Article => ({ title, content: "0123456789", published: true });

  const account = { email: "ada@example.com", username: "ada", password: "correct horse battery" };
  equal((await api.POST("/auth/register", { body: account })).response.status, 201);
  const login = await api.POST("/auth/login", {
    body: { username: account.username, password: account.password },
    bodySerializer: (body) => new URLSearchParams(body as Record<string, string>),
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });
  api.use({
    onRequest: ({ request }) => request.headers.set("authorization", `Bearer ${login.data!.access_token}`),
  });

  for (const title of ["one", "two", "three"]) {
    equal((await api.POST("/articles/", { body: article(title) })).data!.title, title);
  }
  const first = await api.GET("/articles/", { params: { query: { limit: 2 } } });
  const cursor = /cursor=([\w-]+)[^>]*>; rel="next"/.exec(first.response.headers.get("link")!)![1];
  const rest = await api.GET("/articles/", { params: { query: { limit: 2, cursor } } });
  equal([...first.data!, ...rest.data!].map((each) => each.title), ["three", "two", "one"]);

  const path = { article_id: first.data![0].id };
  const tag = (await api.GET("/articles/{article_id}", { params: { path } })).response.headers.get("etag")!;
  const same = await api.GET("/articles/{article_id}", { params: { path, header: { "If-None-Match": tag } } });
  equal(same.response.status, 304);

  const edit = { params: { path, header: { "If-Match": tag } } };
  equal((await api.PATCH("/articles/{article_id}", { ...edit, body: { title: "new" } })).data!.title, "new");
  const lost = await api.PATCH("/articles/{article_id}", { ...edit, body: { title: "lost" } });
  equal([lost.response.status, lost.error!.detail], [412, "The article has changed"]);

  const invalid = await api.POST("/articles/", { body: article("") });
  equal(invalid.response.status, 422);
  const [error] = (invalid.error as components["schemas"]["HTTPValidationError"]).detail;
  equal([error.type, error.loc, error.ctx], ["string_too_short", ["body", "title"], { min_length: 1 }]);

  equal((await api.DELETE("/articles/{article_id}", { params: { path } })).response.status, 204);
  equal((await api.GET("/articles/{article_id}", { params: { path } })).error!.detail, "Article not found");
  const anonymous = createClient<paths>({ baseUrl: process.argv[2] });
  equal((await anonymous.GET("/users/me")).response.status, 401);
}

main();
