// The story with openapi-generator's client for Java (native).

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.ApiResponse;
import org.openapitools.client.api.ArticlesApi;
import org.openapitools.client.api.AuthApi;
import org.openapitools.client.api.UsersApi;
import org.openapitools.client.model.ArticleCreate;
import org.openapitools.client.model.ArticleResponse;
import org.openapitools.client.model.ArticleUpdate;
import org.openapitools.client.model.UserCreate;

class Story {
    private static final Pattern NEXT = Pattern.compile("cursor=([\\w-]+)[^>]*>; rel=\"next\"");

    private interface Request {
        void send() throws ApiException;
    }

    /** Fails unless the request is refused with this status and this text. */
    private static void refused(int status, String text, Request request) {
        try {
            request.send();
        } catch (ApiException error) {
            String body = Objects.requireNonNullElse(error.getResponseBody(), "");
            equal(error.getCode() + " " + body.contains(text), status + " true");
            return;
        }
        throw new AssertionError("the request succeeded: " + text);
    }

    /** A page of two articles, with the other parameters at their defaults. */
    private static ApiResponse<List<ArticleResponse>> list(ArticlesApi articles, String cursor) throws ApiException {
        return articles.listArticlesWithHttpInfo(
            null, 2L, cursor, null, null, null, null, null, null, null, null, null, null
        );
    }

    private static void equal(Object actual, Object expected) {
        if (!actual.equals(expected)) throw new AssertionError(actual + ", not " + expected);
    }

    private static ArticleCreate article(String title) {
        return new ArticleCreate().title(title).content("0123456789").published(true);
    }

    private static ApiClient client(String url, String token) {
        ApiClient client = new ApiClient();
        client.updateBaseUri(url);
        if (token != null) {
            client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + token));
        }
        return client;
    }

    public static void main(String[] arguments) throws Exception {
        ApiClient anonymous = client(arguments[0], null);
        AuthApi auth = new AuthApi(anonymous);
        String password = "correct horse battery";
        UserCreate account = new UserCreate().email("ada@example.com").username("ada").password(password);
        equal(auth.registerUser(account).getUsername(), "ada");
        String token = auth.login("ada", password, "password", null, null, null).getAccessToken();
        ArticlesApi articles = new ArticlesApi(client(arguments[0], token));

        for (String title : List.of("one", "two", "three")) {
            equal(articles.createArticle(article(title)).getTitle(), title);
        }
        var first = list(articles, null);
        var next = NEXT.matcher(first.getHeaders().get("link").get(0));
        equal(next.find(), true);
        List<String> titles = new ArrayList<>();
        first.getData().forEach(each -> titles.add(each.getTitle()));
        list(articles, next.group(1)).getData().forEach(each -> titles.add(each.getTitle()));
        equal(titles, List.of("three", "two", "one"));

        int id = first.getData().get(0).getId();
        String tag = articles.readArticleWithHttpInfo(id, null, null).getHeaders().get("etag").get(0);
        refused(304, "", () -> articles.readArticle(id, null, tag));

        equal(articles.updateArticle(id, new ArticleUpdate().title("new"), tag).getTitle(), "new");
        ArticleUpdate lost = new ArticleUpdate().title("lost");
        refused(412, "The article has changed", () -> articles.updateArticle(id, lost, tag));

        refused(422, "string_too_short", () -> articles.createArticle(article("")));

        equal(articles.deleteArticleWithHttpInfo(id, null).getStatusCode(), 204);
        refused(404, "Article not found", () -> articles.readArticle(id, null, null));
        refused(401, "Not authenticated", () -> new UsersApi(anonymous).readMe());
    }
}
