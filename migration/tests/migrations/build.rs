//! Byline's own migrations.

use migration_kit::{DatabaseState, Direction, Engine, Options, catalogue::Schema, render};

use crate::support::Place;

#[tokio::test]
async fn up_down_to_nothing_and_up_again_is_the_same_schema() {
    for place in Place::all().await {
        let kit = migration::migrator();
        let names: Vec<_> = kit.names().map(str::to_owned).collect();
        assert!(matches!(migration::state(&place.db).await.unwrap(), DatabaseState::Empty));

        assert_eq!(migration::up(&place.db).await.unwrap().applied, names);
        let first = Schema::load(&place.db).await.unwrap();
        assert!(first.tables["articles"].indexes.len() >= 3);

        let mut reversed = names.clone();
        reversed.reverse();
        assert_eq!(migration::down(&place.db).await.unwrap().applied, reversed);
        let bare = Schema::load(&place.db).await.unwrap();
        assert_eq!(bare.tables.keys().collect::<Vec<_>>(), ["byline_migrations", "seaql_migrations"]);

        migration::up(&place.db).await.unwrap();
        assert_eq!(Schema::load(&place.db).await.unwrap(), first);
        let DatabaseState::Managed(status) = migration::state(&place.db).await.unwrap() else {
            panic!("not ours")
        };
        assert!(status.is_current());
        assert!(migration::up(&place.db).await.unwrap().applied.is_empty());
    }
}

#[tokio::test]
async fn every_migration_can_be_told_beforehand_and_undone_alone() {
    for place in Place::all().await {
        let kit = migration::migrator();
        for migration in &kit.migrations {
            for direction in [Direction::Up, Direction::Down] {
                // A migration may have nothing to do on one engine, but not on both.
                let [on_postgres, on_sqlite] = [Engine::Postgres, Engine::Sqlite];
                let mut told = render(migration.as_ref(), on_postgres, direction).await.unwrap();
                told.extend(render(migration.as_ref(), on_sqlite, direction).await.unwrap());
                assert!(!told.is_empty(), "{}", migration.name());
            }
            let before = Schema::load(&place.db).await.unwrap();
            let to = Options { to: Some(migration.name()), ..Options::default() };
            assert_eq!(kit.up(&place.db, &to).await.unwrap().applied, [migration.name()]);
            kit.down(&place.db, &Options { steps: Some(1), ..Options::default() }).await.unwrap();
            let back = Schema::load(&place.db).await.unwrap();
            assert_eq!(
                back.filter(|name| !name.ends_with("_migrations")),
                before.filter(|name| !name.ends_with("_migrations"))
            );
            kit.up(&place.db, &to).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_key_of_an_address_is_ascii_lower_case_and_goes_to_the_earliest_of_twins() {
    for place in Place::all().await {
        let kit = migration::migrator();
        let first = kit.names().next().unwrap().to_owned();
        kit.up(&place.db, &Options { to: Some(&first), ..Options::default() }).await.unwrap();
        for (id, email) in [(1, "ÄDA@x.de"), (2, "Ann@X.de"), (3, "ann@x.DE"), (4, "äda@x.de")] {
            place
                .run(&format!(
                    "INSERT INTO users (id, email, username, hashed_password, created_at, updated_at) \
                     VALUES ({id}, '{email}', 'u{id}', 'x', '2024-01-01T00:00:00Z', '2024-01-01T00:00:00Z')"
                ))
                .await;
        }
        migration::up(&place.db).await.unwrap();
        let keys = place.texts("SELECT coalesce(email_key, '-') FROM users ORDER BY id").await;
        assert_eq!(keys, ["Äda@x.de", "ann@x.de", "-", "äda@x.de"]);
        let emails = place.texts("SELECT email FROM users ORDER BY id").await;
        assert_eq!(emails, ["ÄDA@x.de", "Ann@X.de", "ann@x.DE", "äda@x.de"]);
    }
}

#[tokio::test]
async fn seaorms_own_migrator_builds_the_same_schema() {
    use sea_orm_migration::MigratorTrait;
    for (ours, theirs) in Place::all().await.into_iter().zip(Place::all().await) {
        migration::up(&ours.db).await.unwrap();
        migration::SeaOrmMigrator::up(&theirs.db, None).await.unwrap();
        let blog = |name: &str| !name.ends_with("_migrations");
        let built = Schema::load(&theirs.db).await.unwrap().filter(blog);
        assert_eq!(Schema::load(&ours.db).await.unwrap().filter(blog), built);
        let DatabaseState::Managed(status) = migration::state(&theirs.db).await.unwrap() else {
            panic!("not ours")
        };
        assert!(status.is_current());
    }
}

#[tokio::test]
async fn the_entities_with_their_extras_are_what_the_migrations_build() {
    for place in Place::all().await {
        migration::up(&place.db).await.unwrap();
        let before = Schema::load(&place.db).await.unwrap();
        let check = migration::migrator().check(&place.db).await.unwrap();
        assert!(check.passed(), "{check:#?}");
        let difference = migration::migrator().diff(&place.db).await.unwrap();
        assert!(difference.changes.is_empty() && difference.up.is_empty(), "{difference:#?}");
        assert_eq!(Schema::load(&place.db).await.unwrap(), before);
    }
}

#[tokio::test]
async fn no_migration_is_dangerous_without_answering_for_it() {
    let open: Vec<_> =
        migration::migrator().lint().await.unwrap().into_iter().filter(|each| !each.accepted).collect();
    assert!(open.is_empty(), "{open:#?}");
}
