-- The id is that of the job that wrote the book, so that a job which is done twice writes one book.
create table books (
    id integer primary key,
    title text not null,
    author text not null,
    finished boolean not null default false,
    unique (title, author)
);
