//! `gridwork admin`: people, units, roles, codes and replicas of a district.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use sync_core::entry::RulingKind;
use sync_core::ids::{PersonId, Pos, ReplicaId, UnitId};

use super::admin_socket;
use super::district_args::DistrictArgs;
use crate::clock::SystemClock;
use crate::ids::SystemEntropy;
use crate::service::ServiceError;
use crate::service::administration::AdminRequest;
use crate::service::gridwork::{Gridwork, OpenOptions};
use crate::store::StoreError;

/// Options of `gridwork admin`.
#[derive(Clone, Debug, Args)]
pub struct AdminArgs {
    /// Where.
    #[command(flatten)]
    pub of: DistrictArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: AdminCommand,
}

/// What `gridwork admin` does.
#[derive(Clone, Debug, Subcommand)]
pub enum AdminCommand {
    /// 列出单位 / List units.
    Units,
    /// 新增单位 / Add a unit.
    AddUnit {
        /// 上级单位编号 / Number of the unit above.
        #[arg(long, value_name = "UNIT")]
        parent: u32,
        /// 路径段，例如 013 / Last part of its path, such as 013.
        #[arg(long, value_name = "CODE")]
        code: String,
        /// 名称 / Name.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// 类型：town、community、grid、department / Kind: town, community, grid, department.
        #[arg(long, value_name = "KIND")]
        kind: String,
    },
    /// 从 GeoJSON 导入单位边界 / Import units and boundaries from GeoJSON.
    ImportUnits {
        /// GeoJSON 文件 / GeoJSON file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// 列出人员 / List people.
    People,
    /// 新增人员 / Add a person.
    AddPerson {
        /// 姓名 / Name.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// 恢复备份前的人员编号；省略则自动编号 / The number that the person had before a restore; given by itself otherwise.
        #[arg(long, value_name = "PERSON")]
        number: Option<u32>,
    },
    /// 从 CSV 导入人员及角色 / Import people and their roles from CSV.
    ImportPeople {
        /// CSV 文件 / CSV file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// 授予角色 / Grant a role.
    Grant(RoleArgs),
    /// 收回角色 / End a role.
    Revoke(RoleArgs),
    /// 生成一次性登记码 / Make a one-time enrolment code.
    Code {
        /// 人员编号 / Number of the person.
        #[arg(long, value_name = "PERSON")]
        person: u32,
    },
    /// 列出设备副本 / List replicas.
    Replicas,
    /// 撤销设备副本 / Revoke a replica.
    RevokeReplica {
        /// 副本标识 / The replica's id.
        #[arg(value_name = "REPLICA")]
        replica: uuid::Uuid,
    },
    /// 列出等待处理的变更 / List changes that wait for a ruling or a repair.
    Inbox,
    /// 对等待的变更作出裁定 / Rule about a change that waits.
    Rule {
        /// 变更在日志中的位置 / The change's place in the log.
        #[arg(long, value_name = "POS")]
        pos: u64,
        /// 裁定 / What is ruled.
        #[arg(long, value_enum)]
        ruling: RulingChoice,
        /// 裁定人编号 / Number of the person who rules.
        #[arg(long, value_name = "PERSON")]
        by: u32,
        /// 理由 / Reason.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// 复制区域文件，作为第二存放处 / Copy the district's file to a second place.
    Copy {
        /// 目标文件，须不存在 / The copy; must not exist.
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// 输出签名日志头 / Print the signed head of the log.
    Head,
    /// 立即准备首次同步快照 / Prepare the snapshots for first syncs now.
    Snapshots,
    /// 确认服务器时钟无误，恢复接收 / Agree that the clock is right after a jump, so that taking in goes on.
    AgreeClock,
    /// 更换服务器密钥 / Give the district new keys; what the old ones signed stays good.
    RotateKey,
}

/// A role of a person on a unit.
#[derive(Clone, Debug, Args)]
pub struct RoleArgs {
    /// 人员编号 / Number of the person.
    #[arg(long, value_name = "PERSON")]
    pub person: u32,
    /// 角色 / Role.
    #[arg(long, value_name = "ROLE")]
    pub role: String,
    /// 单位编号 / Number of the unit.
    #[arg(long, value_name = "UNIT")]
    pub unit: u32,
}

/// What a person may rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RulingChoice {
    /// 准予生效 / It has its effect.
    Admit,
    /// 驳回 / It ends without effect.
    Reject,
    /// 删除个人信息 / Its sealed parts are deleted.
    Erase,
}

/// Does what was asked: on the data directory itself, or through the server that holds it.
pub fn run(args: &AdminArgs) -> ExitCode {
    let done = request_of(&args.command).and_then(|request| args.of.ask(request));
    args.of.finish(done)
}

/// Does one thing on the data directory itself, or through the server that holds it.
pub(super) async fn administer(
    data: &Path,
    district: Option<&str>,
    request: AdminRequest,
) -> Result<Value, ServiceError> {
    if let Some(answer) = admin_socket::ask(data, district, &request).await? {
        return Ok(answer);
    }
    let clock = Arc::new(SystemClock::new());
    let gridwork = Gridwork::open(data, clock, Arc::new(SystemEntropy), OpenOptions::default())?;
    let answer = gridwork.administer(district, request).await?;
    gridwork.note_heads()?;
    Ok(answer)
}

fn request_of(command: &AdminCommand) -> Result<AdminRequest, ServiceError> {
    Ok(match command {
        AdminCommand::Units => AdminRequest::Units,
        AdminCommand::AddUnit {
            parent,
            code,
            name,
            kind,
        } => AdminRequest::AddUnit {
            parent: UnitId(*parent),
            code: code.clone(),
            name: name.clone(),
            kind: kind.clone(),
        },
        AdminCommand::ImportUnits { file } => AdminRequest::ImportUnits {
            text: read_text(file)?,
        },
        AdminCommand::People => AdminRequest::People,
        AdminCommand::AddPerson { name, number } => AdminRequest::AddPerson {
            name: name.clone(),
            number: number.map(PersonId),
        },
        AdminCommand::ImportPeople { file } => AdminRequest::ImportPeople {
            text: read_text(file)?,
        },
        AdminCommand::Grant(role) => AdminRequest::Grant {
            person: PersonId(role.person),
            role: role.role.clone(),
            unit: UnitId(role.unit),
        },
        AdminCommand::Revoke(role) => AdminRequest::Revoke {
            person: PersonId(role.person),
            role: role.role.clone(),
            unit: UnitId(role.unit),
        },
        AdminCommand::Code { person } => AdminRequest::Code {
            person: PersonId(*person),
        },
        AdminCommand::Replicas => AdminRequest::Replicas,
        AdminCommand::RevokeReplica { replica } => AdminRequest::RevokeReplica {
            replica: ReplicaId(*replica),
        },
        AdminCommand::Inbox => AdminRequest::Inbox,
        AdminCommand::Rule {
            pos,
            ruling,
            by,
            reason,
        } => AdminRequest::Rule {
            pos: Pos(*pos),
            ruling: match ruling {
                RulingChoice::Admit => RulingKind::Admitted,
                RulingChoice::Reject => RulingKind::Rejected,
                RulingChoice::Erase => RulingKind::Erased,
            },
            by: PersonId(*by),
            reason: reason.clone(),
        },
        AdminCommand::Copy { to } => AdminRequest::Copy { to: absolute(to)? },
        AdminCommand::Head => AdminRequest::Head,
        AdminCommand::Snapshots => AdminRequest::Snapshots,
        AdminCommand::AgreeClock => AdminRequest::AgreeClock,
        AdminCommand::RotateKey => AdminRequest::RotateKey,
    })
}

/// The text of a file that is brought in.
pub(super) fn read_text(path: &Path) -> Result<String, ServiceError> {
    let bytes = std::fs::read(path).map_err(|source| StoreError::File {
        path: path.display().to_string(),
        source,
    })?;
    // What is not UTF-8 is found, and told, by the import itself.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn absolute(path: &Path) -> Result<PathBuf, ServiceError> {
    let failed = |source| StoreError::File {
        path: path.display().to_string(),
        source,
    };
    Ok(std::path::absolute(path).map_err(failed)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::backup::BackupArgs;
    use crate::cli::demo::DemoArgs;
    use crate::cli::documents::DocumentsArgs;
    use crate::cli::fleet::FleetArgs;
    use crate::cli::init::InitArgs;
    use crate::cli::points::PointsArgs;
    use crate::cli::restore::RestoreArgs;
    use crate::cli::serve::ServeArgs;
    use crate::cli::verify::VerifyArgs;
    use clap::Command;

    #[test]
    fn every_command_describes_every_option() {
        let commands = [
            AdminArgs::augment_args(Command::new("admin")),
            BackupArgs::augment_args(Command::new("backup")),
            RestoreArgs::augment_args(Command::new("restore")),
            DemoArgs::augment_args(Command::new("demo")),
            DocumentsArgs::augment_args(Command::new("documents")),
            FleetArgs::augment_args(Command::new("fleet")),
            PointsArgs::augment_args(Command::new("points")),
            InitArgs::augment_args(Command::new("init")),
            ServeArgs::augment_args(Command::new("serve")),
            VerifyArgs::augment_args(Command::new("verify")),
        ];
        for mut command in commands {
            command.build();
            command.clone().debug_assert();
            let nested = command.get_subcommands().flat_map(Command::get_arguments);
            for option in command.get_arguments().chain(nested) {
                assert!(
                    option.get_help().is_some(),
                    "{} {} has no help",
                    command.get_name(),
                    option.get_id()
                );
            }
        }
    }
}
