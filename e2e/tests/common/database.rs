//! Databases on this machine's own servers, as the pods reach them.

use std::process::Command;

fn environment(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set. Run `make test`, or eval \"$(dev/databases env)\"."))
}

/// Where a database is, as the pods see it.
pub struct Server {
    pub host: String,
    pub port: i32,
    pub user: String,
    pub password: String,
}

fn server(url: &str) -> Server {
    let (credentials, address) = url.split_once("://").unwrap().1.split_once('@').unwrap();
    let (user, password) = credentials.split_once(':').unwrap();
    let port = address.split_once(':').unwrap().1.parse().unwrap();
    Server { host: environment("SCDEV_HOST"), port, user: user.into(), password: password.into() }
}

/// A new, empty database.
pub fn mariadb(name: &str) -> Server {
    let server = server(&environment("SCDEV_MARIADB_URL"));
    let statement = format!("DROP DATABASE IF EXISTS `{name}`; CREATE DATABASE `{name}`");
    let status = Command::new("mariadb")
        .args([
            "--no-defaults",
            "-h",
            "127.0.0.1",
            "-P",
            &server.port.to_string(),
            "-u",
            &server.user,
            "-e",
            &statement,
        ])
        .env("MYSQL_PWD", &server.password)
        .status()
        .unwrap();
    assert!(status.success());
    server
}

/// A new, empty database.
pub fn postgres(name: &str) -> Server {
    let url = environment("SCDEV_POSTGRES_URL");
    for statement in [format!("DROP DATABASE IF EXISTS \"{name}\""), format!("CREATE DATABASE \"{name}\"")] {
        let status = Command::new("psql").args(["-q", &format!("{url}/postgres"), "-c", &statement]).status().unwrap();
        assert!(status.success());
    }
    server(&url)
}
