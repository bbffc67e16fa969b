//! The examples are built by their own commands and do what their READMEs say.

use skep_manifest::Manifest;
use skep_tests::{Host, guests};

#[tokio::test(flavor = "multi_thread")]
async fn quickstart_greets_and_converts() {
    let host = Host::example("quickstart").await;
    assert_eq!(host.get("/").await.status, 200);
    let hello = host.get("/hello/Ada").await;
    assert!(hello.status == 200 && hello.body.contains("Ada"), "{hello:?}");
    let converted = host.get("/api/convert?from=km&to=m&amount=1.5").await;
    assert!(converted.body.contains("1500"), "{converted:?}");
    let unknown = host.get("/api/convert?from=km&to=parsec").await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_rust_is_the_shortest() {
    let host = Host::example("hello-rust").await;
    let hello = host.get("/you").await;
    assert!(hello.status == 200 && hello.body.contains("/you"), "{hello:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_remembers_who_is_logged_in() {
    let host = Host::example("sessions").await;
    // A client that stays where it is: the cookie comes with the redirect.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let login = async || {
        let form = client.post(host.url("/login")).header("content-type", "application/x-www-form-urlencoded");
        skep_tests::host::send(form.body("name=Maja")).await
    };
    assert_ne!(host.get("/").await.status, 200, "nobody is logged in");
    let answer = login().await;
    let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    assert!(!cookie.is_empty(), "{answer:?}");
    for visit in 1..=2 {
        let home = skep_tests::host::send(host.request("GET", "/").header("cookie", &cookie)).await;
        assert_eq!((home.status, home.body), (200, format!("Hello Maja, visit {visit}.\n")));
    }
    assert!(host.get("/board").await.body.contains("Maja"));
    let goodbye = skep_tests::host::send(host.request("POST", "/logout").header("cookie", &cookie)).await;
    assert_eq!(goodbye.status, 200);
    assert_ne!(skep_tests::host::send(host.request("GET", "/").header("cookie", &cookie)).await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(login().await.status);
    }
    assert_eq!(statuses.last(), Some(&429), "the route is limited to 10 a minute: {statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn polyglot_plugins_run_where_their_toolchains_are() {
    let languages = ["js", "python", "c", "assemblyscript"];
    // The toolchains are hundreds of megabytes: CI installs them and says so, a newcomer's test run does without.
    if std::env::var_os("SKEP_TEST_TOOLCHAINS").is_none() {
        let manifest = Manifest::load(&guests::root().join("examples/polyglot-http")).unwrap();
        assert!(languages.iter().all(|name| manifest.plugins.keys().any(|plugin| plugin.as_str() == *name)));
        assert!(manifest.plugins.values().all(|plugin| !plugin.needs.is_empty() && plugin.build.is_some()));
        return;
    }
    let host = Host::example("polyglot-http").await;
    for name in languages {
        let plugin = host.node.plugin(name).unwrap();
        assert_eq!(plugin.state(), "running", "{name}: {:?}", plugin.note());
        let hello = host.get(&format!("/{name}")).await;
        assert!(hello.status == 200 && hello.body.contains(name), "{name}: {hello:?}");
        let echo = host.post(&format!("/{name}/echo"), "some bytes").await;
        assert_eq!((echo.status, echo.body.as_str()), (200, "some bytes"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn static_files_serves_a_granted_folder_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("public")).unwrap();
    std::fs::write(dir.path().join("public/index.html"), "<h1>home</h1>").unwrap();
    std::fs::write(dir.path().join("public/data.txt"), "0123456789").unwrap();
    std::fs::write(dir.path().join("secret.txt"), "secret").unwrap();
    let manifest = format!(
        "[plugins.files]\nsource = {:?}\nroutes = [\"GET /\", \"GET /{{*path}}\"]\n\
         grants = {{ files = [{{ host = \"public\", guest = \"/public\" }}] }}\n",
        guests::static_files()
    );
    std::fs::write(dir.path().join("skep.toml"), manifest).unwrap();
    let host = Host::in_folder(dir, skep_node::Mode::Production).await.unwrap();
    let home = host.get("/").await;
    assert_eq!((home.status, home.body.as_str()), (200, "<h1>home</h1>"));
    let range = skep_tests::host::send(host.request("GET", "/data.txt").header("range", "bytes=2-4")).await;
    assert_eq!((range.status, range.body.as_str()), (206, "234"));
    let fresh = host.get("/data.txt").await;
    let again = host.request("GET", "/data.txt").header("if-none-match", fresh.header("etag"));
    assert_eq!(skep_tests::host::send(again).await.status, 304);
    for path in ["/..%2fsecret.txt", "/%2e%2e/secret.txt", "/../secret.txt", "//secret.txt"] {
        assert!(!host.get(path).await.body.contains("secret"), "{path}");
    }
}
