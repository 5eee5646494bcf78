// The story with openapi-generator's client for Go.
package main

import (
	"client"
	"context"
	"encoding/json"
	"fmt"
	"golang.org/x/oauth2"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
)

var next = regexp.MustCompile(`cursor=([\w-]+)[^>]*>; rel="next"`)

// expect fails unless a response has this status and the text in its body, which is still readable.
func expect(step string, response *http.Response, status int, text string) {
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != status || !strings.Contains(string(body), text) {
		panic(fmt.Sprintf("%s: %d %s", step, response.StatusCode, body))
	}
}

func equal(step string, actual any, expected any) {
	if fmt.Sprint(actual) != fmt.Sprint(expected) {
		panic(fmt.Sprintf("%s: %v, not %v", step, actual, expected))
	}
}

func article(title string) client.ArticleCreate {
	article := client.NewArticleCreate(title, "0123456789")
	article.SetPublished(true)
	return *article
}

func main() {
	configuration := client.NewConfiguration()
	configuration.Servers = client.ServerConfigurations{{URL: os.Args[1]}}
	api := client.NewAPIClient(configuration)
	anonymous := context.Background()
	password := "correct horse battery"

	account := client.NewUserCreate("ada@example.com", "ada", password)
	_, response, _ := api.AuthAPI.RegisterUser(anonymous).UserCreate(*account).Execute()
	equal("register", response.StatusCode, 201)
	token, _, err := api.AuthAPI.Login(anonymous).Username("ada").Password(password).Execute()
	if err != nil {
		panic(err)
	}
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token.AccessToken})
	ada := context.WithValue(anonymous, client.ContextOAuth2, source)

	for _, title := range []string{"one", "two", "three"} {
		created, _, err := api.ArticlesAPI.CreateArticle(ada).ArticleCreate(article(title)).Execute()
		if err != nil {
			panic(err)
		}
		equal("create", created.Title, title)
	}
	first, response, _ := api.ArticlesAPI.ListArticles(ada).Limit(2).Execute()
	cursor := next.FindStringSubmatch(response.Header.Get("Link"))[1]
	rest, _, err := api.ArticlesAPI.ListArticles(ada).Limit(2).Cursor(cursor).Execute()
	if err != nil {
		panic(err)
	}
	titles := []string{first[0].Title, first[1].Title, rest[0].Title}
	equal("pages", titles, []string{"three", "two", "one"})

	id := first[0].Id
	_, response, _ = api.ArticlesAPI.ReadArticle(ada, id).Execute()
	tag := response.Header.Get("ETag")
	_, response, _ = api.ArticlesAPI.ReadArticle(ada, id).IfNoneMatch(tag).Execute()
	expect("not modified", response, 304, "")

	update := client.NewArticleUpdate()
	update.SetTitle("new")
	edited, _, err := api.ArticlesAPI.UpdateArticle(ada, id).IfMatch(tag).ArticleUpdate(*update).Execute()
	if err != nil {
		panic(err)
	}
	equal("edit", edited.Title, "new")
	_, response, _ = api.ArticlesAPI.UpdateArticle(ada, id).IfMatch(tag).ArticleUpdate(*update).Execute()
	expect("lost update", response, 412, "The article has changed")

	_, response, _ = api.ArticlesAPI.CreateArticle(ada).ArticleCreate(article("")).Execute()
	var invalid client.HTTPValidationError
	if err := json.NewDecoder(response.Body).Decode(&invalid); err != nil {
		panic(err)
	}
	equal("invalid", []any{response.StatusCode, invalid.Detail[0].Type}, []any{422, "string_too_short"})

	response, _ = api.ArticlesAPI.DeleteArticle(ada, id).Execute()
	expect("delete", response, 204, "")
	_, response, _ = api.ArticlesAPI.ReadArticle(ada, id).Execute()
	expect("deleted", response, 404, "Article not found")
	_, response, _ = api.UsersAPI.ReadMe(anonymous).Execute()
	expect("anonymous", response, 401, "Not authenticated")
}
