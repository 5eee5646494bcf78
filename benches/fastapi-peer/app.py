"""A small blog API on FastAPI, SQLAlchemy and PostgreSQL: the peer of the load benchmarks and of `differential.py`.

It behaves as the FastAPI blog that Byline takes over from, its faults included: unpublished articles are
shown to everyone, `limit` has no maximum, a negative offset or an id beyond 32 bits is a 500.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, status
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from jose import JWTError, jwt
from passlib.context import CryptContext
from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import DateTime, ForeignKey, String, Text, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    app_name: str = "Blog"
    debug: bool = False
    database_url: str
    secret_key: str
    algorithm: str = "HS256"
    access_token_expire_minutes: int = 30
    backend_cors_origins: list[str] = ["http://localhost:3000"]


settings = Settings()
engine = create_async_engine(settings.database_url, echo=settings.debug)
new_session = async_sessionmaker(engine, expire_on_commit=False)
passwords = CryptContext(schemes=["bcrypt"], deprecated="auto")
bearer_token = OAuth2PasswordBearer(tokenUrl="auth/login")


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True)}


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    username: Mapped[str] = mapped_column(String(50), unique=True)
    hashed_password: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class Article(Base):
    __tablename__ = "articles"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    content: Mapped[str] = mapped_column(Text)
    published: Mapped[bool] = mapped_column(default=False)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class ArticleCreate(BaseModel):
    title: str = Field(min_length=1, max_length=200)
    content: str = Field(min_length=10)
    published: bool = False


class ArticleUpdate(BaseModel):
    title: str | None = Field(None, min_length=1, max_length=200)
    content: str | None = Field(None, min_length=10)
    published: bool | None = None


class ArticleOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    title: str
    content: str
    published: bool
    id: int
    author_id: int
    created_at: datetime
    updated_at: datetime


class Token(BaseModel):
    access_token: str
    token_type: str


async def get_session() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


def unauthorized(detail: str) -> HTTPException:
    return HTTPException(status.HTTP_401_UNAUTHORIZED, detail, {"WWW-Authenticate": "Bearer"})


async def get_current_user(token: Annotated[str, Depends(bearer_token)], session: Session) -> User:
    try:
        claims = jwt.decode(token, settings.secret_key, algorithms=[settings.algorithm])
    except JWTError:
        raise unauthorized("Could not validate credentials")
    subject = claims.get("sub")
    user = await session.get(User, int(subject)) if subject is not None else None
    if user is None:
        raise unauthorized("Could not validate credentials")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]

auth = APIRouter(prefix="/auth", tags=["auth"])
articles = APIRouter(prefix="/articles", tags=["articles"])


@auth.post("/login", response_model=Token)
async def login(form: Annotated[OAuth2PasswordRequestForm, Depends()], session: Session):
    user = await session.scalar(select(User).where(User.username == form.username))
    if user is None or not passwords.verify(form.password, user.hashed_password):
        raise unauthorized("Incorrect username or password")
    expires = datetime.now(timezone.utc) + timedelta(minutes=settings.access_token_expire_minutes)
    token = jwt.encode({"sub": str(user.id), "exp": expires}, settings.secret_key, algorithm=settings.algorithm)
    return {"access_token": token, "token_type": "bearer"}


async def get_article_or_404(session: AsyncSession, article_id: int) -> Article:
    article = await session.get(Article, article_id)
    if article is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Article not found")
    return article


async def get_own_article(session: AsyncSession, article_id: int, user: User) -> Article:
    article = await get_article_or_404(session, article_id)
    if article.author_id != user.id:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "Not authorized")
    return article


@articles.get("/", response_model=list[ArticleOut])
async def list_articles(session: Session, skip: int = 0, limit: int = 100):
    newest_first = select(Article).order_by(Article.created_at.desc(), Article.id.desc())
    return (await session.scalars(newest_first.offset(skip).limit(limit))).all()


@articles.get("/{article_id}", response_model=ArticleOut)
async def read_article(article_id: int, session: Session):
    return await get_article_or_404(session, article_id)


@articles.post("/", response_model=ArticleOut, status_code=status.HTTP_201_CREATED)
async def create_article(new: ArticleCreate, user: CurrentUser, session: Session):
    article = Article(**new.model_dump(), author_id=user.id)
    session.add(article)
    await session.commit()
    await session.refresh(article)
    return article


@articles.patch("/{article_id}", response_model=ArticleOut)
async def update_article(article_id: int, patch: ArticleUpdate, user: CurrentUser, session: Session):
    article = await get_own_article(session, article_id, user)
    for name, value in patch.model_dump(exclude_unset=True).items():
        setattr(article, name, value)
    await session.commit()
    await session.refresh(article)
    return article


@articles.delete("/{article_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_article(article_id: int, user: CurrentUser, session: Session):
    await session.delete(await get_own_article(session, article_id, user))
    await session.commit()


app = FastAPI(title=settings.app_name)
app.add_middleware(
    CORSMiddleware,
    allow_origins=settings.backend_cors_origins,
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)
app.include_router(auth)
app.include_router(articles)
