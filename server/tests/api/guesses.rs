//! `migrate --plan` tries well-known passwords on the accounts that attackers try first.

use crate::database::Engine;
use crate::harness::run;
use crate::takeover::{old_database, user};

crate::on_every_engine!(the_plan_names_accounts_with_passwords_that_attackers_try_first);

/// Cheap hashes of `userman` and `admin123`, in the format of werkzeug.
const GUESSED: [&str; 2] = [
    "pbkdf2:sha256:1000$c2FsdHNhbHQ$a21509d2304c9e47d9a0d55bc169eed25479b9051436fdb2150d9cb0b2bb8e70",
    "pbkdf2:sha256:1000$c2FsdHNhbHQ$9972b46ca877f1e652ae1b39d2f7efc67da0f2941ab4aae63a5cc635152ca245",
];

async fn the_plan_names_accounts_with_passwords_that_attackers_try_first(engine: Engine) {
    let database = old_database(engine).await;
    for (number, (name, hash, role)) in
        [("userman", GUESSED[0], 2), ("boss", GUESSED[1], 1), ("admin1", GUESSED[1], 3), ("bob", GUESSED[0], 2)]
            .into_iter()
            .enumerate()
    {
        database.execute(&user(name, &format!("{number:0>32}"), hash, role)).await;
    }
    database.execute(&format!("UPDATE users SET password = '{}' WHERE username = 'admin'", GUESSED[1])).await;
    let plan = || async { String::from_utf8(run(&database, &["migrate", "--plan"], &[]).await.stdout).unwrap() };
    let before = plan().await;
    let guessed =
        "2 of them have a password that attackers try first, and need a new one at once:\n  userman\n  admin\n";
    assert!(before.contains(guessed), "{before}");
    assert!(before.contains("and Admins: 4 of them."), "bob is not one of those: {before}");
    assert!(!before.contains("admin123"), "no password is shown: {before}");

    assert!(run(&database, &["migrate"], &[]).await.status.success());
    database.execute("UPDATE users SET disabled = true WHERE username = 'userman'").await;
    let after = plan().await;
    assert!(after.contains("1 of them have a password that attackers try first"), "{after}");
    assert!(after.contains("and Admins: 3 of them."), "who is disabled cannot log in: {after}");
}
