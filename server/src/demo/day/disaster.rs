//! The worst of the day: the server's disk is lost, and a backup that is an hour old is put back.

use super::world::World;
use crate::clock::Clock;
use crate::service::ServiceError;
use crate::service::administration::AdminRequest;
use crate::service::backup::{self, Passphrase, RestoreRequest};
use crate::store::StoreError;
use std::path::Path;
use sync_core::ids::Epoch;
use sync_core::kinds::Kind;

/// Guards the keys of a made-up district, in a backup that lives for an hour.
const PASSPHRASE: &str = "demo passphrase";

impl World {
    /// The server's disk is lost; a backup that is an hour old is put back.
    pub async fn lose_and_restore_the_server(&mut self) -> Result<(), ServiceError> {
        let folder = self.phone_files.path().join("backup");
        self.back_up(&folder).await?;
        for _ in 0..3 {
            self.pass_minutes(20);
            for index in 0..self.phones.len() {
                if matches!(self.phones[index].role, "worker" | "grid_head") {
                    self.report(index)?;
                    if let Some((record, unit)) = self.any_record(index, Kind::Report) {
                        self.describe(index, record, unit)?;
                    }
                }
                if self.dice.below(2) == 0 {
                    self.sync_weak(index).await?;
                }
            }
        }
        if let Some(gridwork) = self.gridwork.take() {
            gridwork.close()?;
        }
        lose_everything(&self.data)?;
        let request = RestoreRequest {
            from: &folder,
            data: &self.data,
            passphrase: &Passphrase::new(PASSPHRASE.into())?,
            replace: false,
            epoch_min: Epoch(0),
            now_ms: self.clock.wall_ms(),
        };
        backup::restore(&request, &mut |_| {})?;
        self.open()?;
        for index in 0..self.phones.len() {
            self.sync_weak(index).await?;
        }
        Ok(())
    }

    async fn back_up(&self, to: &Path) -> Result<(), ServiceError> {
        let passphrase = Passphrase::new(PASSPHRASE.into())?;
        let now_ms = self.clock.wall_ms();
        let manifest = backup::make(&self.data, to, &passphrase, now_ms, &*self.entropy)?;
        for district in manifest.districts {
            let request = AdminRequest::SecondPlace {
                pos: district.pos,
                hash: district.hash,
            };
            self.admin(request).await?;
        }
        Ok(())
    }
}

fn lose_everything(data: &Path) -> Result<(), ServiceError> {
    let failed = |source| StoreError::File {
        path: data.display().to_string(),
        source,
    };
    std::fs::remove_dir_all(data).map_err(failed)?;
    Ok(std::fs::create_dir(data).map_err(failed)?)
}
