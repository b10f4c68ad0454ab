//! Incidents, their tasks and merges.

use ledger::{
    IncidentChange, IncidentFilter, IncidentOrder, IncidentRow, Merge, MergeId, NewIncident,
    NewTask, Page, Paging, Task, TaskChange, TaskId,
};
use model::{AlertId, IncidentId};

use crate::access::{Caller, Permission};
use crate::failure::Failure;
use crate::live::{Floor, from_ledger};

impl Floor {
    /// Incidents by a filter.
    pub async fn incidents(
        &self,
        caller: &Caller,
        filter: &IncidentFilter,
        order: IncidentOrder,
        paging: &Paging,
    ) -> Result<Page<IncidentRow>, Failure> {
        caller.may(Permission::Read)?;
        self.0.ledger.incidents().list(filter, order, paging).await.map_err(from_ledger)
    }

    /// One incident.
    pub async fn incident(&self, caller: &Caller, id: IncidentId) -> Result<IncidentRow, Failure> {
        caller.may(Permission::Read)?;
        self.0.ledger.incidents().get(id).await.map_err(from_ledger)
    }

    /// Opens an incident by hand.
    pub async fn open_incident(
        &self,
        caller: &Caller,
        new: &NewIncident,
    ) -> Result<IncidentRow, Failure> {
        let actor = caller.may(Permission::Decide)?;
        self.0.ledger.incidents().open(actor, crate::now(), new).await.map_err(from_ledger)
    }

    /// Decides on an incident, as it stood at the version that is expected.
    pub async fn change_incident(
        &self,
        caller: &Caller,
        id: IncidentId,
        expected: Option<u64>,
        change: &IncidentChange,
    ) -> Result<IncidentRow, Failure> {
        let actor = caller.may(Permission::Decide)?;
        let incidents = self.0.ledger.incidents();
        incidents.change(actor, crate::now(), id, expected, change).await.map_err(from_ledger)
    }

    /// Opens a closed incident again.
    pub async fn reopen_incident(
        &self,
        caller: &Caller,
        id: IncidentId,
        expected: Option<u64>,
    ) -> Result<IncidentRow, Failure> {
        let actor = caller.may(Permission::Decide)?;
        let incidents = self.0.ledger.incidents();
        incidents.reopen(actor, crate::now(), id, expected).await.map_err(from_ledger)
    }

    /// Puts alerts into an incident, or takes them out, whatever triage says from now on.
    pub async fn move_alerts(
        &self,
        caller: &Caller,
        id: IncidentId,
        add: &[AlertId],
        remove: &[AlertId],
    ) -> Result<IncidentRow, Failure> {
        let actor = caller.may(Permission::Decide)?;
        let incidents = self.0.ledger.incidents();
        if !add.is_empty() {
            incidents.add_alerts(actor, crate::now(), id, add).await.map_err(from_ledger)?;
        }
        if !remove.is_empty() {
            incidents.remove_alerts(actor, crate::now(), id, remove).await.map_err(from_ledger)?;
        }
        incidents.get(id).await.map_err(from_ledger)
    }

    /// Makes an incident part of another.
    pub async fn merge_incidents(
        &self,
        caller: &Caller,
        source: IncidentId,
        target: IncidentId,
    ) -> Result<Merge, Failure> {
        let actor = caller.may(Permission::Decide)?;
        let incidents = self.0.ledger.incidents();
        incidents.merge(actor, crate::now(), source, target).await.map_err(from_ledger)
    }

    /// The merges that an incident took part in.
    pub async fn merges(
        &self,
        caller: &Caller,
        id: IncidentId,
        paging: &Paging,
    ) -> Result<Page<Merge>, Failure> {
        caller.may(Permission::Read)?;
        let incidents = self.0.ledger.incidents();
        incidents.get(id).await.map_err(from_ledger)?;
        let all = incidents.merges(id).await.map_err(from_ledger)?;
        Page::of(all, "merges", paging, |merge| merge.merge_id.to_string()).map_err(from_ledger)
    }

    /// Undoes a merge: both are again what they would be without it.
    pub async fn undo_merge(&self, caller: &Caller, id: MergeId) -> Result<Merge, Failure> {
        let actor = caller.may(Permission::Decide)?;
        self.0.ledger.incidents().undo_merge(actor, crate::now(), id).await.map_err(from_ledger)
    }

    /// The tasks of an incident, in the order in which they were made.
    pub async fn tasks(
        &self,
        caller: &Caller,
        id: IncidentId,
        paging: &Paging,
    ) -> Result<Page<Task>, Failure> {
        caller.may(Permission::Read)?;
        let all = self.0.ledger.tasks().list(id).await.map_err(from_ledger)?;
        let by = |task: &Task| format!("{:020}", task.task_id.number());
        Page::of(all, "tasks", paging, by).map_err(from_ledger)
    }

    /// Adds a task to an incident.
    pub async fn add_task(
        &self,
        caller: &Caller,
        id: IncidentId,
        new: &NewTask,
    ) -> Result<Task, Failure> {
        let actor = caller.may(Permission::Decide)?;
        self.0.ledger.tasks().add(actor, crate::now(), id, new).await.map_err(from_ledger)
    }

    /// Changes a task.
    pub async fn change_task(
        &self,
        caller: &Caller,
        id: TaskId,
        expected: Option<u64>,
        change: &TaskChange,
    ) -> Result<Task, Failure> {
        let actor = caller.may(Permission::Decide)?;
        let tasks = self.0.ledger.tasks();
        tasks.change(actor, crate::now(), id, expected, change).await.map_err(from_ledger)
    }
}
