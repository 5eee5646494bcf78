// The story with the client of @hey-api/openapi-ts.
import { deepStrictEqual as equal } from "node:assert";
import { client } from "./client/client.gen";
import {
  createArticle, deleteArticle, listArticles, login, readArticle, readMe, registerUser, updateArticle,
} from "./client/sdk.gen";
import type { HttpValidationError } from "./client/types.gen";

async function main() {
  let token: string | undefined;
  client.setConfig({ baseUrl: process.argv[2], auth: () => token });
  const article = (title: string) => ({ title, content: "0123456789", published: true });

  const account = { email: "ada@example.com", username: "ada", password: "correct horse battery" };
  equal((await registerUser({ body: account })).response!.status, 201);
  token = (await login({ body: { username: "ada", password: account.password } })).data!.access_token;

  for (const title of ["one", "two", "three"]) {
    equal((await createArticle({ body: article(title) })).data!.title, title);
  }
  const first = await listArticles({ query: { limit: 2 } });
  const cursor = /cursor=([\w-]+)[^>]*>; rel="next"/.exec(first.response!.headers.get("link")!)![1];
  const rest = await listArticles({ query: { limit: 2, cursor } });
  equal([...first.data!, ...rest.data!].map((each) => each.title), ["three", "two", "one"]);

  const path = { article_id: first.data![0].id };
  const tag = (await readArticle({ path })).response!.headers.get("etag")!;
  equal((await readArticle({ path, headers: { "If-None-Match": tag } })).response!.status, 304);

  const edit = { path, headers: { "If-Match": tag } };
  equal((await updateArticle({ ...edit, body: { title: "new" } })).data!.title, "new");
  const lost = await updateArticle({ ...edit, body: { title: "lost" } });
  equal([lost.response!.status, lost.error!.detail], [412, "The article has changed"]);

  const invalid = await createArticle({ body: article("") });
  equal(invalid.response!.status, 422);
  const [error] = (invalid.error as HttpValidationError).detail;
  equal([error.type, error.loc, error.ctx], ["string_too_short", ["body", "title"], { min_length: 1 }]);

  equal((await deleteArticle({ path })).response!.status, 204);
  equal((await readArticle({ path })).error!.detail, "Article not found");
  token = undefined;
  equal((await readMe()).response!.status, 401);
}

main();
