// Starts Swagger UI on the page that loads this file. URLs are relative to this file, so that they also work
// behind a proxy that adds a path prefix.

// Swagger UI stores the whole authorization to stay authorized after a reload. The token is enough, so
// secrets are removed.
const setItem = Storage.prototype.setItem;
Storage.prototype.setItem = function (key, value) {
  const secrets = ["password", "clientSecret"];
  setItem.call(this, key, key === "authorized"
    ? JSON.stringify(JSON.parse(value, (name, member) => secrets.includes(name) ? "" : member))
    : value);
};

const base = document.currentScript.src;
const icon = document.querySelector("link[rel=icon]");
icon.href = icon.href; // absolute from here on
// Swagger UI resolves the URL of the login against the page, which is right without a slash at its end.
history.replaceState(null, "", new URL("../docs", base).pathname + location.search + location.hash);

SwaggerUIBundle({
  url: new URL("../openapi.json", base).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
  oauth2RedirectUrl: new URL("oauth2-redirect", base).href,
});
