//! What the migrations build and how they are reverted.

use migration_kit::{DatabaseState, Direction, Engine, Options, catalogue::Schema, render};

use crate::support::TestDatabase;

#[tokio::test]
async fn up_down_to_nothing_and_up_again_is_the_same_schema() {
    for database in TestDatabase::on_each_engine().await {
        let migrator = migration::migrator();
        let names: Vec<_> = migrator.names().map(str::to_owned).collect();
        assert!(matches!(migration::state(&database.db).await.unwrap(), DatabaseState::Empty));

        assert_eq!(migration::up(&database.db).await.unwrap().applied, names);
        let first = Schema::load(&database.db).await.unwrap();
        assert!(first.tables["articles"].indexes.len() >= 3);

        let mut reversed = names.clone();
        reversed.reverse();
        assert_eq!(migration::down(&database.db).await.unwrap().applied, reversed);
        let bare = Schema::load(&database.db).await.unwrap();
        assert_eq!(bare.tables.keys().collect::<Vec<_>>(), ["byline_migrations", "seaql_migrations"]);

        migration::up(&database.db).await.unwrap();
        assert_eq!(Schema::load(&database.db).await.unwrap(), first);
        let DatabaseState::Managed(status) = migration::state(&database.db).await.unwrap() else {
            panic!("not ours")
        };
        assert!(status.is_current());
        assert!(migration::up(&database.db).await.unwrap().applied.is_empty());
    }
}

#[tokio::test]
async fn every_migration_is_static_and_can_be_reverted_alone() {
    for database in TestDatabase::on_each_engine().await {
        let migrator = migration::migrator();
        for migration in &migrator.migrations {
            for direction in [Direction::Up, Direction::Down] {
                // A migration may have nothing to do on one engine, but not on both.
                let [on_postgres, on_sqlite] = [Engine::Postgres, Engine::Sqlite];
                let mut statements = render(migration.as_ref(), on_postgres, direction).await.unwrap();
                statements.extend(render(migration.as_ref(), on_sqlite, direction).await.unwrap());
                assert!(!statements.is_empty(), "{}", migration.name());
            }
            let before = Schema::load(&database.db).await.unwrap();
            let to = Options { to: Some(migration.name()), ..Options::default() };
            assert_eq!(migrator.up(&database.db, &to).await.unwrap().applied, [migration.name()]);
            migrator.down(&database.db, &Options { steps: Some(1), ..Options::default() }).await.unwrap();
            let back = Schema::load(&database.db).await.unwrap();
            assert_eq!(
                back.filter(|name| !name.ends_with("_migrations")),
                before.filter(|name| !name.ends_with("_migrations"))
            );
            migrator.up(&database.db, &to).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_key_of_an_address_is_ascii_lower_case_and_belongs_to_the_earliest_of_equal_addresses() {
    for database in TestDatabase::on_each_engine().await {
        let migrator = migration::migrator();
        let first = migrator.names().next().unwrap().to_owned();
        migrator.up(&database.db, &Options { to: Some(&first), ..Options::default() }).await.unwrap();
        for (id, email) in [(1, "ÄDA@x.de"), (2, "Ann@X.de"), (3, "ann@x.DE"), (4, "äda@x.de")] {
            database
                .run(&format!(
                    "INSERT INTO users (id, email, username, hashed_password, created_at, updated_at) \
                     VALUES ({id}, '{email}', 'u{id}', 'x', '2024-01-01T00:00:00Z', '2024-01-01T00:00:00Z')"
                ))
                .await;
        }
        migration::up(&database.db).await.unwrap();
        let keys = database.texts("SELECT coalesce(email_key, '-') FROM users ORDER BY id").await;
        assert_eq!(keys, ["Äda@x.de", "ann@x.de", "-", "äda@x.de"]);
        let emails = database.texts("SELECT email FROM users ORDER BY id").await;
        assert_eq!(emails, ["ÄDA@x.de", "Ann@X.de", "ann@x.DE", "äda@x.de"]);
    }
}

#[tokio::test]
async fn seaorms_own_migrator_builds_the_same_schema() {
    use sea_orm_migration::MigratorTrait;
    for (ours, theirs) in
        TestDatabase::on_each_engine().await.into_iter().zip(TestDatabase::on_each_engine().await)
    {
        migration::up(&ours.db).await.unwrap();
        migration::SeaOrmMigrator::up(&theirs.db, None).await.unwrap();
        let managed = |name: &str| !name.ends_with("_migrations");
        let built = Schema::load(&theirs.db).await.unwrap().filter(managed);
        assert_eq!(Schema::load(&ours.db).await.unwrap().filter(managed), built);
        let DatabaseState::Managed(status) = migration::state(&theirs.db).await.unwrap() else {
            panic!("not ours")
        };
        assert!(status.is_current());
    }
}

#[tokio::test]
async fn the_entities_with_their_extras_are_what_the_migrations_build() {
    for database in TestDatabase::on_each_engine().await {
        migration::up(&database.db).await.unwrap();
        let before = Schema::load(&database.db).await.unwrap();
        let check = migration::migrator().check(&database.db).await.unwrap();
        assert!(check.passed(), "{check:#?}");
        let difference = migration::migrator().diff(&database.db).await.unwrap();
        assert!(difference.changes.is_empty() && difference.up.is_empty(), "{difference:#?}");
        assert_eq!(Schema::load(&database.db).await.unwrap(), before);
    }
}

#[tokio::test]
async fn every_dangerous_step_is_accepted_by_its_migration() {
    let open: Vec<_> =
        migration::migrator().lint().await.unwrap().into_iter().filter(|each| !each.accepted).collect();
    assert!(open.is_empty(), "{open:#?}");
}
