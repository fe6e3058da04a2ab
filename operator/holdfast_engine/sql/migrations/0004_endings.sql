-- What a run does before it ends: which hooks its task has, and how it will end while that is being done.
alter table holdfast.runs add column hooks text[], add column closing jsonb;
