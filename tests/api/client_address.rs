//! The client's address in the log, with and without proxies.

use actix_web::http::Method;

use crate::support::{Installation, Response, ServerProcess, wait_until};

async fn serve(trusted: &str) -> ServerProcess {
    Installation::new().await.set(&[("TRUSTED_PROXIES", trusted)]).serve(&[])
}

async fn get(server: &ServerProcess, headers: &[(&str, &str)]) -> Response {
    let client = server.client();
    let request = client.request(Method::GET, "/articles/");
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send().await
}

/// The client that the log line of a response names.
async fn logged_client(server: &ServerProcess, response: &Response) -> String {
    let id = response.header("x-request-id").unwrap();
    wait_until("the request is logged", async || server.output().contains(id)).await;
    let line = server.output().lines().find(|line| line.contains(id)).unwrap().to_owned();
    let client = line.split("client=").nth(1).unwrap_or_else(|| panic!("no client: {line}"));
    client.split(' ').next().unwrap().to_owned()
}

#[actix_web::test]
async fn the_log_names_the_client_that_a_trusted_proxy_reports() {
    let server = serve(r#"["127.0.0.1", "10.0.0.0/8"]"#).await;
    for (headers, client) in [
        (&[][..], "127.0.0.1"),
        (&[("x-forwarded-for", "203.0.113.7")], "203.0.113.7"),
        (&[("x-forwarded-for", "1.2.3.4, 203.0.113.8, 10.1.1.1")], "203.0.113.8"),
        (&[("forwarded", "for=1.2.3.4, for=\"[2001:db8::9]:1\";proto=https")], "2001:db8::9"),
        (&[("x-forwarded-for", "1.2.3.4, unknown")], "127.0.0.1"),
        (&[("forwarded", "for=1.2.3.4"), ("x-forwarded-for", "203.0.113.9")], "203.0.113.9"),
    ] {
        let response = get(&server, headers).await;
        assert_eq!(logged_client(&server, &response).await, client, "{headers:?}");
    }
    assert!(!server.output().contains("TRUSTED_PROXIES"), "{}", server.output());
}

#[actix_web::test]
async fn without_a_trusted_proxy_the_headers_are_ignored_and_the_log_says_so_once() {
    for trusted in ["[]", r#"["192.0.2.1", "::1"]"#] {
        let server = serve(trusted).await;
        let response = get(&server, &[]).await;
        assert_eq!(logged_client(&server, &response).await, "127.0.0.1");
        assert!(!server.output().contains("TRUSTED_PROXIES"), "{}", server.output());
        for header in [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.7")] {
            for _ in 0..3 {
                let response = get(&server, &[header]).await;
                assert_eq!(logged_client(&server, &response).await, "127.0.0.1");
            }
        }
        let output = server.output();
        let warnings: Vec<&str> = output.lines().filter(|line| line.contains("TRUSTED_PROXIES")).collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("WARN") && warnings[0].contains("proxy=127.0.0.1"), "{}", warnings[0]);
        assert!(!output.contains("203.0.113.7"), "{output}");
    }
}

#[actix_web::test]
async fn a_wrong_list_prevents_the_start_and_one_with_every_address_is_warned_about() {
    for (list, message) in [
        ("10.0.0.0/8", "TRUSTED_PROXIES: must be a JSON list of CIDR ranges"),
        (r#"["10.0.0.0/8", "nginx"]"#, "TRUSTED_PROXIES: \"nginx\" is not a CIDR range"),
    ] {
        let output = Installation::new().await.set(&[("TRUSTED_PROXIES", list)]).fail(&["serve"]);
        assert!(output.contains(message), "{output}");
    }
    let server = serve(r#"["0.0.0.0/0"]"#).await;
    assert!(server.output().contains("TRUSTED_PROXIES: with 0.0.0.0/0"), "{}", server.output());
}
