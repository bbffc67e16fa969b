-- Who wants to read it next.
create table votes (
    id integer primary key,
    book integer not null references books
);

create index votes_by_book on votes (book);
